/* What a broker or a client sends: JSON documents, from one random stream alone. */
#include "message.h"

static void put_field(struct text_buffer *buffer, const char *name)
{
    text_buffer_put_text(buffer, ",\"");
    text_buffer_put_text(buffer, name);
    text_buffer_put_text(buffer, "\":");
}

static void put_number_field(struct text_buffer *buffer, const char *name, uint64_t number)
{
    put_field(buffer, name);
    text_buffer_put_number(buffer, number);
}

static void put_words_field(struct text_buffer *buffer, const char *name, struct wl_random *random, unsigned word_count)
{
    put_field(buffer, name);
    text_buffer_put(buffer, "\"", 1);
    text_buffer_put_words(buffer, random, word_count);
    text_buffer_put(buffer, "\"", 1);
}

/* Two digits after the point, as prices have. */
static void put_price_field(struct text_buffer *buffer, const char *name, uint64_t cents)
{
    put_number_field(buffer, name, cents / 100);
    text_buffer_put_text(buffer, cents % 100 < 10 ? ".0" : ".");
    text_buffer_put_number(buffer, cents % 100);
}

/* "[id,quantity]": what a product is called and costs is in the database. */
static void put_item(struct text_buffer *buffer, struct wl_random *random, uint64_t id)
{
    text_buffer_put(buffer, "[", 1);
    text_buffer_put_number(buffer, id);
    text_buffer_put(buffer, ",", 1);
    text_buffer_put_number(buffer, 1 + wl_random_below(random, 9));
    text_buffer_put(buffer, "]", 1);
}

void message_write(struct text_buffer *buffer, struct wl_random *random, const struct message_shape *shape)
{
    buffer->length = 0;
    text_buffer_put_text(buffer, "{\"id\":");
    text_buffer_put_number(buffer, shape->order_id);
    put_words_field(buffer, "customer", random, 3);
    put_price_field(buffer, "total", wl_random_below(random, 100000));
    text_buffer_put_text(buffer, wl_random_chance(random, 1, 8) ? ",\"gift\":true" : ",\"gift\":null");
    text_buffer_put_text(buffer, ",\"comment\":\"said \\\"");
    text_buffer_put_words(buffer, random, 4);
    text_buffer_put_text(buffer, "\\\" \\u0026 left\\n\",\"items\":[");
    for (uint32_t i = 0; i < shape->item_count; i++) {
        if (i > 0)
            text_buffer_put(buffer, ",", 1);
        put_item(buffer, random, shape->order_id * 1000 + i);
    }
    text_buffer_put_text(buffer, "]}");
}

/* ---- A batch of orders: items come with their names ---- */

static void put_named_item(struct text_buffer *buffer, struct wl_random *random, uint64_t id)
{
    text_buffer_put_text(buffer, "{\"id\":");
    text_buffer_put_number(buffer, id);
    put_words_field(buffer, "name", random, 2);
    put_number_field(buffer, "quantity", 1 + wl_random_below(random, 9));
    text_buffer_put_text(buffer, wl_random_chance(random, 1, 8) ? ",\"gift\":true}" : "}");
}

static void put_order(struct text_buffer *buffer, struct wl_random *random, uint32_t item_count, uint64_t id)
{
    text_buffer_put_text(buffer, "{\"id\":");
    text_buffer_put_number(buffer, id);
    put_words_field(buffer, "customer", random, 3);
    put_words_field(buffer, "status", random, 1);
    put_price_field(buffer, "total", wl_random_below(random, 100000));
    put_number_field(buffer, "placed", 1700000000 + wl_random_below(random, 50000000));
    text_buffer_put_text(buffer, ",\"comment\":\"said \\\"");
    text_buffer_put_words(buffer, random, 4);
    text_buffer_put_text(buffer, "\\\" \\u0026 left\\n\",\"items\":[");
    for (uint32_t i = 0; i < item_count; i++) {
        if (i > 0)
            text_buffer_put(buffer, ",", 1);
        put_named_item(buffer, random, id * 1000 + i);
    }
    text_buffer_put_text(buffer, "]}");
}

void message_write_batch(struct text_buffer *buffer, struct wl_random *random, const struct message_batch_shape *shape)
{
    buffer->length = 0;
    text_buffer_put_text(buffer, "{\"id\":");
    text_buffer_put_number(buffer, shape->job);
    put_words_field(buffer, "queue", random, 1);
    text_buffer_put_text(
        buffer, ",\"job\":\"App\\\\Jobs\\\\SynchroniseOrders\",\"attempts\":null,\"tags\":[\"sync\",\"orders\"]");
    text_buffer_put_text(buffer, ",\"orders\":[");
    for (uint32_t i = 0; i < shape->order_count; i++) {
        if (i > 0)
            text_buffer_put(buffer, ",", 1);
        put_order(buffer, random, shape->item_count, 1 + shape->job * shape->order_count + i);
    }
    text_buffer_put_text(buffer, "]}");
}
