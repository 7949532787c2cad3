#include "death_record.h"

#include "manager_internal.h"

/* Samples of live bytes: at least one in so many births, and whenever they moved so far. */
enum { SAMPLE_BIRTHS = 64, SAMPLE_BYTES = 64 * 1024 };

/* ---- Life of a recorder. ---- */

sm_status sm_death_recorder_create(const struct sm_death_tape *tape, struct sm_death_recorder **recorder,
                                   struct sm_error *error)
{
    struct sm_death_recorder *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return sm_error_set(error, SM_ERR_OUT_OF_MEMORY, "no memory for a recorder of deaths");
    sm_death_writer_begin(&made->events, tape->files[SM_DEATH_FILE_EVENTS]);
    sm_death_writer_begin(&made->sharing, tape->files[SM_DEATH_FILE_SHARING]);
    sm_death_writer_begin(&made->live, tape->files[SM_DEATH_FILE_LIVE]);
    *recorder = made;
    return sm_error_set(error, SM_OK, "%s", "");
}

sm_status sm_death_recorder_create_watch(const struct sm_death_watch *watch, struct sm_death_recorder **recorder,
                                         struct sm_error *error)
{
    struct sm_death_recorder *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return sm_error_set(error, SM_ERR_OUT_OF_MEMORY, "no memory for a recorder of deaths");
    made->has_watch = true;
    made->watch = *watch;
    *recorder = made;
    return sm_error_set(error, SM_OK, "%s", "");
}

static void tell_survivors(const struct sm_death_recorder *recorder)
{
    for (size_t i = 0; i < recorder->objects.capacity; i++) {
        const struct sm_object_entry *entry = &recorder->objects.entries[i];
        if (entry->object != NULL)
            recorder->watch.on_death(recorder->watch.context, entry->slot, entry->object, SM_DEATH_NEVER);
    }
}

sm_status sm_death_recorder_finish(struct sm_death_recorder *recorder, struct sm_error *error)
{
    recorder->is_finished = true;
    if (recorder->is_out_of_memory)
        return sm_error_set(error, SM_ERR_OUT_OF_MEMORY, "no memory for the recorder of deaths");
    if (recorder->has_watch) {
        tell_survivors(recorder);
        return sm_error_set(error, SM_OK, "%s", "");
    }
    struct sm_death_writer *writers[] = {&recorder->events, &recorder->sharing, &recorder->live};
    for (size_t i = 0; i < SM_DEATH_FILES; i++) {
        if (!sm_death_writer_end(writers[i], &recorder->totals))
            return sm_error_set(error, SM_ERR_SYSTEM, "the record of deaths could not be written: %s",
                                strerror(writers[i]->failure));
    }
    return sm_error_set(error, SM_OK, "%s", "");
}

void sm_death_recorder_destroy(struct sm_death_recorder *recorder)
{
    if (recorder == NULL)
        return;
    sm_object_map_finish(&recorder->objects);
    sm_slot_table_finish(&recorder->slots);
    free(recorder);
}

sm_status sm_recorder_attach(struct sm_manager *mm, struct sm_death_recorder *recorder)
{
    if (!sm_has(mm, SM_CAP_COUNTS) || mm->ops->form == SM_FORM_WINDOW)
        return sm_policy_fail(mm, SM_ERR_UNSUPPORTED,
                              "deaths are recorded under a policy that counts, such as refcount, not %s",
                              mm->ops->name);
    mm->recorder = recorder;
    mm->hot.script |= SM_SCRIPT_BIRTHS | (recorder->has_watch ? 0 : SM_SCRIPT_SHARING);
    sm_recorder_close_path(mm, NULL);
    if (recorder->has_watch)
        recorder->watch.on_attach(recorder->watch.context, mm);
    return SM_OK;
}

const uint8_t *sm_recorder_open_path(struct sm_manager *mm)
{
    const uint8_t *before = mm->hot.size_class_of;
    if (before == NULL)
        mm->hot.size_class_of = mm->recorder->size_class_of;
    return before;
}

/* The policy may have chosen its classes just now. */
void sm_recorder_close_path(struct sm_manager *mm, const uint8_t *before)
{
    if (mm->hot.size_class_of != NULL)
        mm->recorder->size_class_of = mm->hot.size_class_of;
    mm->hot.size_class_of = before;
}

/* ---- Events. ---- */

static void write_event(struct sm_death_recorder *recorder, enum sm_death_event event)
{
    uint64_t births = recorder->totals.births;
    if (recorder->has_watch)
        return;
    sm_death_write(&recorder->events, (births - recorder->event_births) << 2 | (uint64_t)event);
    recorder->event_births = births;
}

static void write_slot_event(struct sm_death_recorder *recorder, enum sm_death_event event, uint32_t slot)
{
    write_event(recorder, event);
    if (!recorder->has_watch)
        sm_death_write(&recorder->events, slot);
}

static bool is_numbered(const struct sm_object_entry *entry)
{
    return entry->slot != DEATH_ZOMBIE && entry->slot != DEATH_UNNUMBERED;
}

static uint64_t folded(uint64_t from, uint64_t to)
{
    return to >= from ? (to - from) << 1 : (from - to) << 1 | 1;
}

static void sample_live(struct sm_manager *mm)
{
    struct sm_death_recorder *recorder = mm->recorder;
    uint64_t bytes = sm_live_bytes(mm) - recorder->zombie_bytes;
    uint64_t moved = folded(recorder->sample_bytes, bytes);
    if (recorder->totals.births % SAMPLE_BIRTHS != 0 && moved >> 1 < SAMPLE_BYTES)
        return;
    /* A copy goes off the count after its birth, which the last sample may have seen before. */
    uint64_t count = mm->hot.alloc_count > recorder->sample_count ? mm->hot.alloc_count : recorder->sample_count;
    sm_death_write(&recorder->live, count - recorder->sample_count);
    sm_death_write(&recorder->live, moved);
    recorder->sample_count = count;
    recorder->sample_bytes = bytes;
}

void sm_record_birth(struct sm_manager *mm, struct sm_object *object)
{
    struct sm_death_recorder *recorder = mm->recorder;
    if (recorder->is_finished || (mm->finalizers.running != NULL && !recorder->has_watch))
        return;
    struct sm_object_entry *entry = sm_object_map_put(&recorder->objects, object);
    if (entry == NULL || !sm_slot_reserve(&recorder->slots)) {
        recorder->is_out_of_memory = true;
        return;
    }
    SM_ASSERT(entry->slot == 0);
    entry->value = ++recorder->totals.births;
    entry->slot = sm_slot_take(&recorder->slots, object);
    if (recorder->has_watch)
        recorder->watch.on_birth(recorder->watch.context, entry->slot, object);
    else
        sample_live(mm);
}

static void record_move(struct sm_death_recorder *recorder, struct sm_object_entry *old, struct sm_object *moved)
{
    struct sm_object_entry carried = *old;
    sm_object_map_remove(&recorder->objects, old);
    /* One was removed just now, so this needs no memory. */
    struct sm_object_entry *entry = sm_object_map_put(&recorder->objects, moved);
    carried.object = moved;
    *entry = carried;
    if (is_numbered(entry))
        sm_slot_set(&recorder->slots, entry->slot, moved);
}

void sm_record_resize(struct sm_manager *mm, const struct sm_object *object, struct sm_object *resized,
                      uint64_t old_bytes)
{
    struct sm_death_recorder *recorder = mm->recorder;
    struct sm_object_entry *entry = sm_object_map_find(&recorder->objects, object);
    if (entry == NULL)
        return;
    uint32_t slot = entry->slot;
    if (resized != object)
        record_move(recorder, entry, resized);
    if (recorder->has_watch && !recorder->is_finished)
        recorder->watch.on_resize(recorder->watch.context, slot, resized, old_bytes);
}

static void write_death(struct sm_death_recorder *recorder, const struct sm_object_entry *entry,
                        enum sm_death_cause cause)
{
    if (recorder->has_watch)
        recorder->watch.on_death(recorder->watch.context, entry->slot, entry->object, cause);
    write_slot_event(recorder, SM_DEATH_EVENT_DEATH, entry->slot);
    sm_slot_release(&recorder->slots, entry->slot);
    recorder->totals.deaths++;
}

void sm_record_death(struct sm_manager *mm, struct sm_object *object)
{
    struct sm_death_recorder *recorder = mm->recorder;
    struct sm_object_entry *entry = sm_object_map_find(&recorder->objects, object);
    if (recorder->is_finished || entry == NULL)
        return;
    if (entry->slot == DEATH_ZOMBIE)
        recorder->zombie_bytes -= object->payload_bytes;
    else if (is_numbered(entry))
        write_death(recorder, entry, mm->cycles.running ? SM_DEATH_CYCLE : SM_DEATH_COUNTED);
    sm_object_map_remove(&recorder->objects, entry);
}

void sm_recorder_bury(struct sm_death_recorder *recorder, struct sm_object_entry *entry)
{
    SM_ASSERT(is_numbered(entry));
    write_death(recorder, entry, SM_DEATH_CYCLE);
    recorder->totals.traced_deaths++;
    recorder->zombie_bytes += entry->object->payload_bytes;
    entry->slot = DEATH_ZOMBIE;
}

void sm_record_destructor(struct sm_manager *mm, const struct sm_object *object)
{
    struct sm_death_recorder *recorder = mm->recorder;
    const struct sm_object_entry *entry = sm_object_map_find(&recorder->objects, object);
    if (recorder->is_finished || entry == NULL || !is_numbered(entry))
        return;
    write_slot_event(recorder, SM_DEATH_EVENT_DESTRUCTOR, entry->slot);
    recorder->totals.destructors++;
}

void sm_record_mark(struct sm_manager *mm)
{
    if (!mm->recorder->is_finished)
        write_event(mm->recorder, SM_DEATH_EVENT_MARK);
}

/* ---- Requests. ---- */

void sm_record_request_begin(struct sm_manager *mm)
{
    mm->recorder->request_births = mm->recorder->totals.births;
}

/* Whoever was there before the request stays; those without a number have none of a birth either. */
static bool outlives_request(const struct sm_death_recorder *recorder, const struct sm_object_entry *entry)
{
    return entry->value != 0 && entry->value <= recorder->request_births;
}

void sm_record_bulk_free(struct sm_manager *mm)
{
    struct sm_death_recorder *recorder = mm->recorder;
    struct sm_object_map kept = {0};
    uint64_t zombie_bytes = 0;
    if (recorder->is_finished)
        return;
    for (size_t i = 0; i < recorder->objects.capacity; i++) {
        const struct sm_object_entry *entry = &recorder->objects.entries[i];
        if (entry->object == NULL)
            continue;
        if (!outlives_request(recorder, entry)) {
            if (is_numbered(entry))
                write_death(recorder, entry, SM_DEATH_REQUEST);
            continue;
        }
        struct sm_object_entry *copy = sm_object_map_put(&kept, entry->object);
        if (copy == NULL)
            recorder->is_out_of_memory = true;
        else
            *copy = *entry;
        zombie_bytes += entry->slot == DEATH_ZOMBIE ? entry->object->payload_bytes : 0;
    }
    sm_object_map_finish(&recorder->objects);
    recorder->objects = kept;
    recorder->zombie_bytes = zombie_bytes;
}

/* ---- Questions. ---- */

bool sm_record_answer(struct sm_manager *mm, bool answer)
{
    struct sm_death_recorder *recorder = mm->recorder;
    if (recorder->is_finished || mm->finalizers.running != NULL)
        return answer;
    uint64_t question = recorder->totals.questions++;
    if (answer) {
        sm_death_write(&recorder->sharing, question - recorder->next_question);
        recorder->next_question = question + 1;
        recorder->totals.shared++;
    }
    return answer;
}

bool sm_record_is_alive(const struct sm_manager *mm, const struct sm_object *target)
{
    const struct sm_object_entry *entry = sm_object_map_find(&mm->recorder->objects, target);
    return entry == NULL || entry->slot != DEATH_ZOMBIE;
}
