#include "unit.h"

#include "kenro/json/json_read.h"

#include <string.h>

static const struct name colours[] = { { "red", 1 }, { "green", 2 }, { NULL, 0 } };

struct item {
        const char *name;
        uint32_t id;
};

struct entry {
        const char *key;
        uint64_t limit;
};

struct doc {
        bool flag;
        uint32_t id;
        uint64_t big;
        struct opt_uint maybe, colour;
        struct opt_int number;
        const char *text;
        struct item *item;
        struct {
                struct item *v;
                size_t n;
        } items;
        struct {
                const char **v;
                size_t n;
        } words;
        struct {
                uint32_t *v;
                size_t n;
        } ids;
        struct {
                uint64_t *v;
                size_t n;
        } colours;
        struct {
                struct json_pair *v;
                size_t n;
        } pairs;
        struct {
                struct entry *v;
                size_t n;
        } entries;
};

#define AT(type, member) .offset = offsetof(struct type, member)

static const struct json_field item_fields[] = {
        { "name", J_STR, AT(item, name), .required = true },
        { "id", J_U32, AT(item, id), .max = 4294967294 },
        { 0 },
};
static const struct json_shape item_shape = { sizeof(struct item), item_fields };

static const struct json_field entry_fields[] = {
        { "limit", J_U64, AT(entry, limit) },
        { 0 },
};
static const struct json_shape entry_shape = { sizeof(struct entry), entry_fields };

static const struct json_field doc_fields[] = {
        { "flag", J_BOOL, AT(doc, flag) },
        { "id", J_U32, AT(doc, id) },
        { "big", J_U64, AT(doc, big) },
        { "maybe", J_UINT, AT(doc, maybe), .max = 7 },
        { "colour", J_ENUM, AT(doc, colour), .names = colours },
        { "number", J_INT, AT(doc, number), .min = INT64_MIN, .max = INT64_MAX },
        { "text", J_STR, AT(doc, text) },
        { "item", J_OBJ, AT(doc, item), .shape = &item_shape },
        { "items", J_LIST, J_OBJ, AT(doc, items), .shape = &item_shape },
        { "words", J_LIST, J_STR, AT(doc, words) },
        { "ids", J_LIST, J_U32, AT(doc, ids) },
        { "colours", J_LIST, J_ENUM, AT(doc, colours), .names = colours },
        { "pairs", J_MAP, J_STR, AT(doc, pairs) },
        { "entries", J_MAP, J_OBJ, AT(doc, entries), .shape = &entry_shape },
        { "other", J_SKIP },
        { 0 },
};
static const struct json_shape doc_shape = { sizeof(struct doc), doc_fields };

static struct doc doc;
static struct err error;

static int decode_n(const char *text, size_t len)
{
        struct json_source src = { "f.json", text, len, test_arena(), false };

        memset(&doc, 0, sizeof(doc));
        memset(&error, 0, sizeof(error));
        return json_decode(&src, &doc_shape, &doc, &error);
}

static int decode(const char *text)
{
        return decode_n(text, strlen(text));
}

#define REFUSES(input, message)                                                                    \
        do {                                                                                       \
                assert_int_equal(decode(input), -1);                                               \
                assert_string_equal(error.text, message);                                          \
        } while (0)

static void every_kind_decodes(void **state)
{
        (void)state;
        assert_int_equal(
                decode("{\"flag\": true, \"id\": 4294967295,"
                       " \"big\": 18446744073709551615, \"maybe\": 0,"
                       " \"colour\": \"green\", \"number\": -9223372036854775808,"
                       " \"text\": \"a\\u00e9\\n\", \"item\": {\"name\": \"x\", \"id\": 7},"
                       " \"items\": [{\"name\": \"a\"}, {\"name\": \"b\", \"id\": 2}],"
                       " \"words\": [\"p\", \"\"], \"ids\": [1, 2, 3],"
                       " \"colours\": [\"red\", \"green\"],"
                       " \"pairs\": {\"k\": \"v\", \"\": \"e\"},"
                       " \"entries\": {\"one\": {\"limit\": 5}, \"two\": {}},"
                       " \"other\": {\"text\": [1.5e3, null, {}]}}"),
                0);
        assert_true(doc.flag);
        assert_int_equal(doc.id, UINT32_MAX);
        assert_true(doc.big == UINT64_MAX);
        assert_true(doc.maybe.set && doc.maybe.v == 0);
        assert_true(doc.colour.set && doc.colour.v == 2);
        assert_true(doc.number.set && doc.number.v == INT64_MIN);
        assert_string_equal(doc.text, "a\xc3\xa9\n");
        assert_string_equal(doc.item->name, "x");
        assert_int_equal(doc.items.n, 2);
        assert_string_equal(doc.items.v[1].name, "b");
        assert_int_equal(doc.words.n, 2);
        assert_string_equal(doc.words.v[1], "");
        assert_int_equal(doc.ids.n, 3);
        assert_int_equal(doc.ids.v[2], 3);
        assert_int_equal(doc.colours.v[1], 2);
        assert_string_equal(doc.pairs.v[0].key, "k");
        assert_string_equal(doc.pairs.v[1].value, "e");
        assert_string_equal(doc.entries.v[1].key, "two");
        assert_int_equal(doc.entries.v[0].limit, 5);
}

static void null_is_absent_except_in_a_list(void **state)
{
        (void)state;
        assert_int_equal(decode("{\"text\": null, \"item\": null, \"pairs\": {\"a\": null}}"), 0);
        assert_null(doc.text);
        assert_null(doc.item);
        assert_int_equal(doc.pairs.n, 0);
        REFUSES("{\"words\": [\"a\", null]}", "f.json:1:17: words[1]: null in an array");
        REFUSES("null", "f.json:1:1: expected an object");
        REFUSES("{\"item\": {\"name\": null}}", "f.json:1:23: item: 'name' is required");
}

static void types_are_exact(void **state)
{
        (void)state;
        REFUSES("{\"flag\": \"true\"}", "f.json:1:10: flag: expected true or false");
        REFUSES("{\"flag\": 1}", "f.json:1:10: flag: expected true or false");
        REFUSES("{\"id\": \"0\"}", "f.json:1:8: id: expected a whole number 0..4294967295");
        REFUSES("{\"text\": {}}", "f.json:1:10: text: expected a string");
        REFUSES("{\"item\": []}", "f.json:1:10: item: expected an object");
        REFUSES("{\n \"words\": \"ls\"}", "f.json:2:11: words: expected an array");
        REFUSES("{\"words\": [\"a\", 1]}", "f.json:1:17: words[1]: expected a string");
        REFUSES("[]", "f.json:1:1: expected an object");
}

static void numbers_are_whole_and_in_range(void **state)
{
        (void)state;
        REFUSES("{\"id\": 4294967296}",
                "f.json:1:8: id: 4294967296 is not a whole number 0..4294967295");
        REFUSES("{\"id\": -1}", "f.json:1:8: id: -1 is not a whole number 0..4294967295");
        REFUSES("{\"id\": 1.0}", "f.json:1:8: id: 1.0 is not a whole number 0..4294967295");
        REFUSES("{\"id\": 1e3}", "f.json:1:8: id: 1e3 is not a whole number 0..4294967295");
        REFUSES("{\"big\": 18446744073709551616}",
                "f.json:1:9: big: 18446744073709551616 is not a whole number "
                "0..18446744073709551615");
        REFUSES("{\"maybe\": 8}", "f.json:1:11: maybe: 8 is not a whole number 0..7");
        REFUSES("{\"items\": [{\"name\": \"a\", \"id\": 4294967295}]}",
                "f.json:1:32: items[0].id: 4294967295 is not a whole number 0..4294967294");
        REFUSES("{\"number\": 9223372036854775808}",
                "f.json:1:12: number: 9223372036854775808 is not a whole number "
                "-9223372036854775808..9223372036854775807");
        assert_int_equal(decode("{\"id\": -0}"), 0);
}

static void a_key_given_twice_is_refused(void **state)
{
        (void)state;
        REFUSES("{\"flag\": true,\n \"flag\": false}", "f.json:2:2: flag: given twice");
        REFUSES("{\"flag\": null, \"flag\": false}", "f.json:1:16: flag: given twice");
        REFUSES("{\"pairs\": {\"a\": \"1\", \"a\": \"2\"}}", "f.json:1:27: pairs.a: given twice");
        /* the escape spells the same key */
        REFUSES("{\"flag\": true, \"fl\\u0061g\": true}", "f.json:1:16: flag: given twice");
}

static void an_unknown_name_lists_the_known_ones(void **state)
{
        (void)state;
        REFUSES("{\"colour\": \"grean\"}",
                "f.json:1:12: colour: 'grean' is not one of: red, green");
        assert_string_equal(error.hint, "did you mean 'green'?");
        REFUSES("{\"colours\": [\"red\", \"RED\"]}",
                "f.json:1:21: colours[1]: 'RED' is not one of: red, green");
}

static void strings_that_c_would_change_are_refused(void **state)
{
        (void)state;
        REFUSES("{\"text\": \"/etc\\u0000/x\"}",
                "f.json:1:10: text: a string with a NUL character");
        REFUSES("{\"text\": \"\\ud800\"}",
                "f.json:1:10: text: a string with half a surrogate pair");
        REFUSES("{\"text\": \"?\\ud83d\\ud83d\\ude00\"}",
                "f.json:1:10: text: a string with half a surrogate pair");
        REFUSES("{\"text\": \"?\\udc00\"}",
                "f.json:1:10: text: a string with half a surrogate pair");
        assert_int_equal(decode("{\"text\": \"?\\ud83d\\ude00\\\\ud800\"}"), 0);
        assert_string_equal(doc.text, "?\xf0\x9f\x98\x80\\ud800");
        REFUSES("{\"text\": \"\xff\"}", "f.json:1:12: not JSON: invalid bytes in UTF8 string.");
}

static void broken_json_is_located(void **state)
{
        (void)state;
        REFUSES("{\"flag\": true,\n}",
                "f.json:2:2: not JSON: invalid object key (must be a string)");
        REFUSES("{\"flag\": true", "f.json:1:14: not JSON: premature EOF");
        REFUSES("", "f.json:1:1: not JSON: premature EOF");
        REFUSES("{} x", "f.json:1:5: not JSON: trailing garbage");
        REFUSES("{} {}", "f.json:1:5: not JSON: trailing garbage");
        REFUSES("{/* no */}",
                "f.json:1:2: not JSON: probable comment found in input text, comments are not enabled.");
        assert_int_equal(decode_n("{}\0", 3), -1);
}

static void depth_and_items_are_limited(void **state)
{
        static char text[1 << 20];
        char *p = text;

        (void)state;
        p += sprintf(p, "{\"unknown\": ");
        memset(p, '[', 500000);
        assert_int_equal(decode(text), -1);
        assert_string_equal(error.text, "f.json:1:36: unknown: nested deeper than 24 levels");

        memset(text, 0, sizeof(text));
        p = text + sprintf(text, "{\"ids\": [0");
        for (int i = 0; i < 70000; i++)
                p += sprintf(p, ",1");
        sprintf(p, "]}");
        assert_int_equal(decode(text), -1);
        assert_non_null(strstr(error.text, "more than 65536 values in one file"));
}

static void a_late_error_finds_its_place(void **state)
{
        static const char text[] = "{\"item\": {\"name\": \"n\"},\n"
                                   " \"items\": [{\"name\": \"a\"},\n"
                                   "           {\"name\": \"b\\\"c\", \"id\": 3}]}";
        struct json_source src = { "f.json", text, strlen(text), test_arena(), false };
        struct err e;

        (void)state;
        assert_int_equal(json_fail(&src, &e, "items[1].name", "no %s", "good"), -1);
        assert_string_equal(e.text, "f.json:3:21: items[1].name: no good");
        json_fail(&src, &e, "items[1].id", "x");
        assert_string_equal(e.text, "f.json:3:35: items[1].id: x");
        json_fail(&src, &e, "items[1].gone", "x");
        assert_string_equal(e.text, "f.json:3:12: items[1].gone: x");
        json_fail(&src, &e, "nowhere", "x");
        assert_string_equal(e.text, "f.json:1:1: nowhere: x");
        json_fail(&src, &e, "item", "x");
        assert_string_equal(e.text, "f.json:1:10: item: x");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_kind_decodes),
                cmocka_unit_test(null_is_absent_except_in_a_list),
                cmocka_unit_test(types_are_exact),
                cmocka_unit_test(numbers_are_whole_and_in_range),
                cmocka_unit_test(a_key_given_twice_is_refused),
                cmocka_unit_test(an_unknown_name_lists_the_known_ones),
                cmocka_unit_test(strings_that_c_would_change_are_refused),
                cmocka_unit_test(broken_json_is_located),
                cmocka_unit_test(depth_and_items_are_limited),
                cmocka_unit_test(a_late_error_finds_its_place),
        };

        return RUN(tests);
}
