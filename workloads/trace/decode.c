/** Decoding: a trace file into binary events. */
#include "trace/decode.h"

#include "trace/names.h"
#include "trace/parse.h"
#include "trace/source.h"

#include "sapimem/object.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static const char magic[] = "# sapitrace 1";

enum { FIRST_BYTES = 64 << 10 };

/* An open frame. Its serial number tells its locals from those of an earlier frame of the same depth. */
struct open_frame {
    uint32_t serial;
    uint32_t line;
    bool is_request;
};

struct decoder {
    struct trace_program *program;
    struct trace_source *source;
    struct sm_error *error;
    struct trace_names names;
    struct trace_mapping frames;       /* open_frame */
    struct trace_mapping free_entries; /* uint32_t; numbers of dead objects, last died first used */
    uint32_t depth;
    uint32_t frame_serials;
    uint32_t free_count;
    uint32_t request_line; /* where the open request began; 0: none */
    bool has_structure;    /* an opening bracket was seen */
};

#define REFUSE(decoder, ...) \
    trace_fail((decoder)->error, SM_ERR_INVALID_ARGUMENT, (decoder)->program->path, \
               trace_source_line((decoder)->source), __VA_ARGS__)

static sm_status refuse_system(struct decoder *decoder)
{
    return trace_fail(decoder->error, SM_ERR_SYSTEM, decoder->program->path, trace_source_line(decoder->source),
                      "cannot keep the decoded trace in $TMPDIR or /tmp: %s", strerror(errno));
}

/* Doubling, so that growth costs a constant for each byte. */
static bool make_room(struct trace_mapping *mapping, size_t bytes)
{
    return bytes <= mapping->bytes || trace_mapping_grow(mapping, mapping->bytes * 2);
}

static struct open_frame *frame_at(const struct decoder *decoder, uint32_t depth)
{
    return (struct open_frame *)decoder->frames.base + (depth - 1);
}

static uint32_t current_frame(const struct decoder *decoder)
{
    return decoder->depth == 0 ? 0 : frame_at(decoder, decoder->depth)->serial;
}

/* ---- Ids. ---- */

static sm_status find_live(struct decoder *decoder, uint64_t id, struct trace_name **name)
{
    *name = trace_names_find(&decoder->names, (uint32_t)id);
    if (*name == NULL)
        return REFUSE(decoder, "id %u is unknown, expected one that was allocated", (unsigned)id);
    if ((*name)->state == TRACE_NAME_DEAD)
        return REFUSE(decoder, "id %u died at line %u, expected a live one", (unsigned)id, (*name)->line);
    return SM_OK;
}

/* A live owner that has the slot. */
static sm_status find_owner(struct decoder *decoder, const struct trace_fields *fields, struct trace_event *event)
{
    struct trace_name *owner;
    sm_status status = find_live(decoder, fields->owner, &owner);
    if (status != SM_OK)
        return status;
    if (fields->slot >= owner->slot_count)
        return REFUSE(decoder, "slot %u is out of range, expected less than the %u slots of id %u",
                      (unsigned)fields->slot, owner->slot_count, (unsigned)fields->owner);
    event->owner = owner->entry;
    event->slot = (uint32_t)fields->slot;
    return SM_OK;
}

static uint32_t take_entry(struct decoder *decoder)
{
    if (decoder->free_count != 0)
        return ((const uint32_t *)decoder->free_entries.base)[--decoder->free_count];
    return decoder->program->entry_limit++;
}

static bool give_back_entry(struct decoder *decoder, uint32_t entry)
{
    if (!make_room(&decoder->free_entries, ((size_t)decoder->free_count + 1) * sizeof(entry)))
        return false;
    ((uint32_t *)decoder->free_entries.base)[decoder->free_count++] = entry;
    return true;
}

/** 1 GiB of values in one object: no array that was recorded comes near. */
#define TRACE_OBJECT_SLOTS_MAX (UINT32_C(1) << 26)

/* ---- Events, one function for each shape. ---- */

static sm_status check_allocation(struct decoder *decoder, const struct trace_fields *fields)
{
    const struct trace_name *name = trace_names_find(&decoder->names, (uint32_t)fields->id);
    if (name != NULL && name->state == TRACE_NAME_LIVE)
        return REFUSE(decoder, "id %u is in use since line %u, expected a free one", name->id, name->line);
    /* Two hidden slots may come on top: of a weak object, and of one with a destructor. */
    if (fields->bytes + (fields->slot_count + 2) * sizeof(struct sm_value) > SM_PAYLOAD_MAX)
        return REFUSE(decoder, "object of more than %llu bytes", (unsigned long long)SM_PAYLOAD_MAX);
    /* Each slot costs the replay a record; one line must not ask for gigabytes of them. */
    if (fields->slot_count > TRACE_OBJECT_SLOTS_MAX)
        return REFUSE(decoder, "%u slots for one object, expected at most %u", (unsigned)fields->slot_count,
                      TRACE_OBJECT_SLOTS_MAX);
    if (fields->slot_count + 1 > UINT32_MAX - 1 - decoder->program->edge_limit)
        return REFUSE(decoder, "more than %u slots in all", UINT32_MAX - 1);
    if (!fields->has_owner && decoder->depth == 0)
        return REFUSE(decoder, "no frame is open to hold id %u, expected '(' or '[' before, or OWNER SLOT",
                      (unsigned)fields->id);
    return SM_OK;
}

static sm_status decode_allocation(struct decoder *decoder, const struct trace_fields *fields,
                                   struct trace_event *event)
{
    sm_status status = check_allocation(decoder, fields);
    if (status == SM_OK && fields->has_owner)
        status = find_owner(decoder, fields, event);
    if (status != SM_OK)
        return status;
    struct trace_name *name = trace_names_add(&decoder->names, (uint32_t)fields->id);
    if (name == NULL)
        return refuse_system(decoder);
    event->object = take_entry(decoder);
    event->kind = (uint8_t)fields->kind;
    event->slot_count = (uint32_t)fields->slot_count;
    event->bytes = fields->bytes;
    *name = (struct trace_name){.id = (uint32_t)fields->id,
                                .entry = event->object,
                                .line = event->line,
                                .slot_count = event->slot_count,
                                .frame = fields->has_owner ? 0 : current_frame(decoder),
                                .event = decoder->program->event_count,
                                .state = TRACE_NAME_LIVE,
                                .kind = event->kind};
    decoder->program->edge_limit += event->slot_count + (fields->kind == TRACE_KIND_WEAK);
    return SM_OK;
}

static sm_status decode_object(struct decoder *decoder, const struct trace_fields *fields, struct trace_event *event,
                               struct trace_name **name)
{
    sm_status status = find_live(decoder, fields->id, name);
    if (status == SM_OK)
        event->object = (*name)->entry;
    event->bytes = fields->bytes;
    return status;
}

static sm_status decode_resize(struct decoder *decoder, const struct trace_fields *fields, struct trace_event *event)
{
    struct trace_name *name;
    sm_status status = decode_object(decoder, fields, event, &name);
    if (status != SM_OK)
        return status;
    /* Its registration knows its address, which a resize may change. */
    if ((trace_program_event(decoder->program, name->event)->flags & TRACE_EVENT_FINALIZABLE) != 0)
        return REFUSE(decoder, "resize of id %u, which has a destructor and keeps its size", name->id);
    if (fields->bytes + ((uint64_t)name->slot_count + 2) * sizeof(struct sm_value) > SM_PAYLOAD_MAX)
        return REFUSE(decoder, "object of more than %llu bytes", (unsigned long long)SM_PAYLOAD_MAX);
    return SM_OK;
}

static sm_status decode_store(struct decoder *decoder, const struct trace_fields *fields, struct trace_event *event)
{
    struct trace_name *target;
    sm_status status = find_owner(decoder, fields, event);
    if (status != SM_OK || fields->id == 0)
        return status;
    return decode_object(decoder, fields, event, &target);
}

static sm_status decode_weak(struct decoder *decoder, const struct trace_fields *fields, struct trace_event *event)
{
    struct trace_name *owner, *target;
    sm_status status = find_live(decoder, fields->owner, &owner);
    if (status != SM_OK)
        return status;
    if (owner->kind != TRACE_KIND_WEAK)
        return REFUSE(decoder, "id %u is of kind %s, expected weak", owner->id,
                      trace_kind_name((enum trace_kind)owner->kind));
    event->owner = owner->entry;
    event->slot = owner->slot_count;
    return decode_object(decoder, fields, event, &target);
}

static sm_status decode_root(struct decoder *decoder, const struct trace_fields *fields, struct trace_event *event,
                             uint32_t *limit)
{
    struct trace_name *target;
    event->slot = (uint32_t)fields->slot;
    if (*limit <= event->slot)
        *limit = event->slot + 1;
    return fields->id == 0 ? SM_OK : decode_object(decoder, fields, event, &target);
}

static sm_status decode_drop(struct decoder *decoder, const struct trace_fields *fields, struct trace_event *event)
{
    struct trace_name *name;
    sm_status status = decode_object(decoder, fields, event, &name);
    if (status != SM_OK)
        return status;
    if (name->frame == 0 || name->frame != current_frame(decoder))
        return REFUSE(decoder, "id %u is not a local of the current frame", name->id);
    name->frame = 0;
    return SM_OK;
}

static sm_status decode_death(struct decoder *decoder, const struct trace_fields *fields, struct trace_event *event)
{
    struct trace_name *name;
    sm_status status = decode_object(decoder, fields, event, &name);
    if (status == SM_OK && fields->has_owner)
        status = find_owner(decoder, fields, event);
    if (status != SM_OK)
        return status;
    name->state = TRACE_NAME_DEAD;
    name->line = event->line;
    return give_back_entry(decoder, name->entry) ? SM_OK : refuse_system(decoder);
}

static sm_status decode_destructor(struct decoder *decoder, const struct trace_fields *fields,
                                   struct trace_event *event)
{
    struct trace_name *name;
    sm_status status = decode_object(decoder, fields, event, &name);
    if (status != SM_OK)
        return status;
    struct trace_event *allocation = (struct trace_event *)decoder->program->events.base + name->event;
    if ((allocation->flags & TRACE_EVENT_FINALIZABLE) != 0)
        return REFUSE(decoder, "id %u has a destructor already", name->id);
    allocation->flags |= TRACE_EVENT_FINALIZABLE;
    return SM_OK;
}

static sm_status decode_open(struct decoder *decoder, bool is_request, const struct trace_event *event)
{
    struct trace_program *program = decoder->program;
    if (is_request && decoder->request_line != 0)
        return REFUSE(decoder, "'[' inside the request of line %u, expected its ']' before", decoder->request_line);
    if (!make_room(&decoder->frames, ((size_t)decoder->depth + 1) * sizeof(struct open_frame)))
        return refuse_system(decoder);
    if (!decoder->has_structure)
        program->sapi = is_request ? SM_SAPI_FPM : SM_SAPI_CLI;
    if (is_request && decoder->depth != 0 && program->nested_request == 0)
        program->nested_request = event->line;
    decoder->has_structure = true;
    if (is_request)
        decoder->request_line = event->line;
    decoder->depth++;
    *frame_at(decoder, decoder->depth) = (struct open_frame){++decoder->frame_serials, event->line, is_request};
    if (program->depth_limit < decoder->depth)
        program->depth_limit = decoder->depth;
    return SM_OK;
}

static sm_status decode_close(struct decoder *decoder, bool is_request)
{
    const char *closing = is_request ? "]" : ")", *opening = is_request ? "[" : "(";
    if (decoder->depth == 0)
        return REFUSE(decoder, "unbalanced '%s': no '%s' is open", closing, opening);
    const struct open_frame *frame = frame_at(decoder, decoder->depth);
    if (frame->is_request != is_request)
        return REFUSE(decoder, "unbalanced '%s': found it where the '%s' of line %u must be closed first", closing,
                      is_request ? "(" : "[", frame->line);
    decoder->depth--;
    if (is_request)
        decoder->request_line = 0;
    return SM_OK;
}

static sm_status decode_fields(struct decoder *decoder, const struct trace_fields *fields, struct trace_event *event)
{
    struct trace_name *name;
    switch (fields->op) {
    case TRACE_ALLOCATE:
        return decode_allocation(decoder, fields, event);
    case TRACE_RESIZE:
        return decode_resize(decoder, fields, event);
    case TRACE_VERIFY:
        return decode_object(decoder, fields, event, &name);
    case TRACE_STORE:
        return decode_store(decoder, fields, event);
    case TRACE_WEAK:
        return decode_weak(decoder, fields, event);
    case TRACE_DROP_LOCAL:
        return decode_drop(decoder, fields, event);
    case TRACE_GLOBAL:
        return decode_root(decoder, fields, event, &decoder->program->global_limit);
    case TRACE_CONTEXT:
        return decode_root(decoder, fields, event, &decoder->program->context_limit);
    case TRACE_ENTER:
    case TRACE_REQUEST_BEGIN:
        return decode_open(decoder, fields->op == TRACE_REQUEST_BEGIN, event);
    case TRACE_LEAVE:
    case TRACE_REQUEST_END:
        return decode_close(decoder, fields->op == TRACE_REQUEST_END);
    case TRACE_DEATH:
    case TRACE_CYCLIC_DEATH:
        return decode_death(decoder, fields, event);
    case TRACE_DESTRUCTOR:
        return decode_destructor(decoder, fields, event);
    case TRACE_BLOCK:
        event->bytes = fields->bytes;
        return SM_OK;
    default:
        return SM_OK;
    }
}

/* ---- Lines. ---- */

static sm_status decode_line(struct decoder *decoder, const char *line, size_t length)
{
    struct trace_program *program = decoder->program;
    struct trace_fields fields;
    char reason[TRACE_REASON_BYTES];
    if (!trace_parse(line, length, &fields, reason))
        return REFUSE(decoder, "%s", reason);
    struct trace_event event = {.op = (uint8_t)fields.op, .line = trace_source_line(decoder->source)};
    sm_status status = decode_fields(decoder, &fields, &event);
    if (status != SM_OK)
        return status;
    if (!make_room(&program->events, ((size_t)program->event_count + 1) * sizeof(event)))
        return refuse_system(decoder);
    ((struct trace_event *)program->events.base)[program->event_count++] = event;
    program->op_count[event.op]++;
    return SM_OK;
}

static sm_status check_magic(struct decoder *decoder)
{
    const char *line;
    size_t length;
    char quoted[32];
    enum trace_line_result result = trace_source_next(decoder->source, &line, &length, decoder->error);
    if (result == TRACE_ERROR)
        return decoder->error->status;
    if (result == TRACE_END)
        return REFUSE(decoder, "the file is empty, expected \"%s\" on its first line", magic);
    if (length == strlen(magic) && memcmp(line, magic, length) == 0)
        return SM_OK;
    return REFUSE(decoder, "bad magic: found \"%s\", expected \"%s\"", trace_quote(line, length, quoted), magic);
}

static sm_status check_end(struct decoder *decoder)
{
    if (decoder->depth != 0) {
        const struct open_frame *frame = frame_at(decoder, decoder->depth);
        return REFUSE(decoder, "the file ends where the '%s' of line %u is still open (unbalanced or truncated)",
                      frame->is_request ? "[" : "(", frame->line);
    }
    if (decoder->program->event_count == 0)
        return REFUSE(decoder, "the file ends before the first event (truncated)");
    return SM_OK;
}

static sm_status decode_lines(struct decoder *decoder)
{
    const char *line;
    size_t length;
    enum trace_line_result result;
    sm_status status = check_magic(decoder);
    while (status == SM_OK &&
           (result = trace_source_next(decoder->source, &line, &length, decoder->error)) != TRACE_END) {
        if (result == TRACE_ERROR)
            return decoder->error->status;
        if (trace_source_line(decoder->source) == UINT32_MAX)
            return REFUSE(decoder, "more than %u lines", UINT32_MAX - 1);
        if (length == 0 || line[0] != '#')
            status = decode_line(decoder, line, length);
    }
    return status == SM_OK ? check_end(decoder) : status;
}

static bool create_tables(struct decoder *decoder)
{
    return trace_names_create(&decoder->names) && trace_mapping_create(&decoder->frames, FIRST_BYTES) &&
           trace_mapping_create(&decoder->free_entries, FIRST_BYTES) &&
           trace_mapping_create(&decoder->program->events, FIRST_BYTES);
}

sm_status trace_decode(const char *path, struct trace_program *program, struct sm_error *error)
{
    struct sm_error unread;
    *program = (struct trace_program){.path = path, .events = TRACE_MAPPING_NONE, .entry_limit = 1, .edge_limit = 1};
    struct decoder decoder = {.program = program,
                              .error = error != NULL ? error : &unread,
                              .names = {TRACE_MAPPING_NONE, 0, 0},
                              .frames = TRACE_MAPPING_NONE,
                              .free_entries = TRACE_MAPPING_NONE};
    sm_status status = trace_source_open(path, &decoder.source, decoder.error);
    if (status != SM_OK)
        return status;
    status = create_tables(&decoder) ? decode_lines(&decoder) : refuse_system(&decoder);
    trace_mapping_destroy(&decoder.free_entries);
    trace_mapping_destroy(&decoder.frames);
    trace_names_destroy(&decoder.names);
    trace_source_close(decoder.source);
    return status;
}

void trace_program_destroy(struct trace_program *program)
{
    trace_mapping_destroy(&program->events);
}
