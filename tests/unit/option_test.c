/** Option tables: what is understood, what is refused, and the lines that say so. */
#include "sapimem/option.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char *const flavors[] = {"memb", "qsbr", "mb", "bp", NULL};

static const struct sm_option table[] = {
    {"chunk", SM_OPTION_SIZE, "bytes", "256K", 65536, 67108864, NULL, "size of a chunk"},
    {"roots", SM_OPTION_COUNT, "roots", "10k", 1, 1000000, NULL, "roots before a cycle"},
    {"factor", SM_OPTION_REAL, "", "1.5", 0, 8, NULL, "growth"},
    {"inline", SM_OPTION_BOOL, "", "off", 0, 0, NULL, "reclaim on the owner"},
    {"flavor", SM_OPTION_CHOICE, "", "memb", 0, 0, flavors, "liburcu flavour"},
};
enum { TABLE_COUNT = sizeof(table) / sizeof(table[0]) };

static struct sm_error error;

static sm_status parse(const char *text, struct sm_option_values *values)
{
    memset(&error, 0, sizeof(error));
    return sm_options_parse("policy epoch", table, TABLE_COUNT, text, values, &error);
}

static void assert_refused(const char *text, const char *line)
{
    struct sm_option_values values;
    assert_int_equal(parse(text, &values), SM_ERR_INVALID_ARGUMENT);
    assert_int_equal(error.status, SM_ERR_INVALID_ARGUMENT);
    assert_string_equal(error.detail, line);
}

static void assert_size(const char *text, uint64_t expected)
{
    uint64_t bytes = 77;
    assert_int_equal(sm_size_parse(text, &bytes), SM_OK);
    assert_true(bytes == expected);
}

static void refusals_are_one_line_whatever_they_quote(void **state)
{
    (void)state;
    assert_refused("in\nline=on", "policy epoch: no option 'in?line'; did you mean inline?");
    assert_refused("flavor=me\nmb\x1b", "policy epoch: option 'flavor' wants one of memb, qsbr, mb, bp, not 'me?mb?'");
    assert_refused("\r-\n", "policy epoch: '?-?' has no '='; expected key=value[,key=value...]");
}

static void size_suffixes_are_powers_of_1024(void **state)
{
    (void)state;
    assert_size("0", 0);
    assert_size("65536", 65536);
    assert_size("1K", 1024);
    assert_size("16M", UINT64_C(16) << 20);
    assert_size("16MiB", UINT64_C(16) << 20);
    assert_size("1G", UINT64_C(1) << 30);
    assert_size("3T", UINT64_C(3) << 40);
    assert_size("007", 7);
}

static void size_reaches_2_to_63_minus_1(void **state)
{
    (void)state;
    assert_size("9223372036854775807", INT64_MAX);
    assert_size("8388607T", UINT64_C(8388607) << 40);
}

static void malformed_sizes_are_refused_and_leave_the_result(void **state)
{
    (void)state;
    const char *const bad[] = {"",
                               " 1",
                               "1 ",
                               "-1",
                               "+1",
                               "1.5M",
                               "M",
                               "16m",
                               "16MB",
                               "16iB",
                               "16Mi",
                               "16MiBx",
                               "0x10",
                               "1e3",
                               "1KK",
                               "1,000",
                               "1\n",
                               "16k",
                               "9223372036854775808",
                               "18446744073709551616",
                               "99999999999999999999999",
                               "8388608T",
                               "9007199254740992K",
                               "nan",
                               "inf"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t bytes = 77;
        assert_int_equal(sm_size_parse(bad[i], &bytes), SM_ERR_INVALID_ARGUMENT);
        assert_int_equal(bytes, 77);
    }
    uint64_t bytes = 77;
    assert_int_equal(sm_size_parse(NULL, &bytes), SM_ERR_INVALID_ARGUMENT);
}

static void count_suffixes_are_powers_of_1000(void **state)
{
    (void)state;
    uint64_t count = 0;
    assert_int_equal(sm_count_parse("10001", &count), SM_OK);
    assert_int_equal(count, 10001);
    assert_int_equal(sm_count_parse("10k", &count), SM_OK);
    assert_int_equal(count, 10000);
    assert_int_equal(sm_count_parse("5m", &count), SM_OK);
    assert_int_equal(count, 5000000);
}

static void malformed_counts_are_refused(void **state)
{
    (void)state;
    const char *const bad[] = {"",
                               "-1",
                               "+1",
                               "1K",
                               "1M",
                               "1G",
                               "10kk",
                               "1.5k",
                               "k",
                               " 1",
                               "1 ",
                               "9223372036854775808",
                               "9223372036854776k",
                               "9223372036855m"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t count = 77;
        assert_int_equal(sm_count_parse(bad[i], &count), SM_ERR_INVALID_ARGUMENT);
        assert_int_equal(count, 77);
    }
}

static void reals_are_read_exactly(void **state)
{
    (void)state;
    double real = 0;
    assert_int_equal(sm_real_parse("1", &real), SM_OK);
    assert_true(real == 1.0);
    assert_int_equal(sm_real_parse("0.1", &real), SM_OK);
    assert_true(real == 0.1);
    assert_int_equal(sm_real_parse("2.5e-3", &real), SM_OK);
    assert_true(real == 2.5e-3);
}

static void malformed_reals_are_refused(void **state)
{
    (void)state;
    const char *const bad[] = {"",      "-1", "+1",  ".5", "5.", "1..2", "1,5", "nan",  "inf",   "1e999",
                               "0x1p3", "1e", "1e+", " 1", "1 ", "1f",   "--",  "1e5e", "1.2.3", "INFINITY"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        double real = 77;
        assert_int_equal(sm_real_parse(bad[i], &real), SM_ERR_INVALID_ARGUMENT);
        assert_true(real == 77);
    }
}

/** A host may have set a locale with a decimal comma; where none is installed the test shows the C locale only. */
static void reals_ignore_the_locale(void **state)
{
    (void)state;
    const char *names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "C"};
    size_t i = 0;
    while (setlocale(LC_NUMERIC, names[i]) == NULL)
        i++;
    double real = 0;
    sm_status status = sm_real_parse("0.25", &real);
    struct sm_option_values values;
    assert_int_equal(parse("factor=0.25", &values), SM_OK);
    char text[32];
    sm_option_format(&values, 2, text, sizeof(text));
    setlocale(LC_NUMERIC, "C");
    assert_int_equal(status, SM_OK);
    assert_true(real == 0.25);
    assert_string_equal(text, "0.25");
}

static void no_text_means_defaults(void **state)
{
    (void)state;
    const char *const none[] = {NULL, ""};
    for (size_t i = 0; i < 2; i++) {
        struct sm_option_values values;
        assert_int_equal(parse(none[i], &values), SM_OK);
        assert_int_equal(sm_option_count(&values, "chunk"), 262144);
        assert_int_equal(sm_option_count(&values, "roots"), 10000);
        assert_true(sm_option_real(&values, "factor") == 1.5);
        assert_int_equal(sm_option_count(&values, "inline"), 0);
        assert_int_equal(sm_option_count(&values, "flavor"), 0);
        assert_false(sm_option_given(&values, "chunk"));
    }
}

static void given_values_replace_defaults(void **state)
{
    (void)state;
    struct sm_option_values values;
    assert_int_equal(parse("flavor=mb,chunk=1M,inline=yes,factor=2,roots=1", &values), SM_OK);
    assert_int_equal(sm_option_count(&values, "chunk"), 1 << 20);
    assert_int_equal(sm_option_count(&values, "roots"), 1);
    assert_true(sm_option_real(&values, "factor") == 2.0);
    assert_int_equal(sm_option_count(&values, "inline"), 1);
    assert_int_equal(sm_option_count(&values, "flavor"), 2);
    assert_true(sm_option_given(&values, "flavor"));
}

static void every_word_for_on_and_off_is_known(void **state)
{
    (void)state;
    const char *const on[] = {"inline=on", "inline=true", "inline=1", "inline=yes"};
    const char *const off[] = {"inline=off", "inline=false", "inline=0", "inline=no"};
    for (size_t i = 0; i < 4; i++) {
        struct sm_option_values values;
        assert_int_equal(parse(on[i], &values), SM_OK);
        assert_int_equal(sm_option_count(&values, "inline"), 1);
        assert_int_equal(parse(off[i], &values), SM_OK);
        assert_int_equal(sm_option_count(&values, "inline"), 0);
    }
}

static void the_line_names_owner_key_value_and_expectation(void **state)
{
    (void)state;
    assert_refused("flavor=x", "policy epoch: option 'flavor' wants one of memb, qsbr, mb, bp, not 'x'");
    assert_refused("inline=maybe", "policy epoch: option 'inline' wants on or off, not 'maybe'");
    assert_refused("roots=-5",
                   "policy epoch: option 'roots' wants a whole number of roots from 1 to 1000000, not '-5'");
    assert_refused("factor=9", "policy epoch: option 'factor' wants a number from 0 to 8, not '9'");
    assert_refused("chunk=12x", "policy epoch: option 'chunk' wants a size (bytes, or with K M G T as powers of 1024) "
                                "from 64K to 64M, not '12x'");
}

static void values_outside_the_range_are_refused_and_its_ends_are_not(void **state)
{
    (void)state;
    struct sm_option_values values;
    assert_int_equal(parse("chunk=64K", &values), SM_OK);
    assert_int_equal(parse("chunk=64M", &values), SM_OK);
    assert_int_equal(parse("chunk=65535", &values), SM_ERR_INVALID_ARGUMENT);
    assert_int_equal(parse("chunk=67108865", &values), SM_ERR_INVALID_ARGUMENT);
    assert_int_equal(parse("roots=0", &values), SM_ERR_INVALID_ARGUMENT);
    assert_int_equal(parse("factor=8.0001", &values), SM_ERR_INVALID_ARGUMENT);
}

static void unknown_keys_list_the_near_ones(void **state)
{
    (void)state;
    assert_refused("flavour=mb", "policy epoch: no option 'flavour'; did you mean flavor?");
    assert_refused("chnk=1M", "policy epoch: no option 'chnk'; did you mean chunk?");
    assert_refused("zzzzz=1", "policy epoch: no option 'zzzzz'; it takes chunk, roots, factor, inline, flavor");
}

static void a_table_without_options_says_so(void **state)
{
    (void)state;
    struct sm_option_values values;
    assert_int_equal(sm_options_parse("policy null", NULL, 0, "", &values, &error), SM_OK);
    assert_int_equal(sm_options_parse("policy null", NULL, 0, "a=1", &values, &error), SM_ERR_INVALID_ARGUMENT);
    assert_string_equal(error.detail, "policy null: no option 'a'; it takes none");
}

static void items_that_are_not_key_and_value_are_refused(void **state)
{
    (void)state;
    assert_refused("chunk", "policy epoch: 'chunk' has no '='; expected key=value[,key=value...]");
    assert_refused("=1M", "policy epoch: '=1M' has no key; expected key=value[,key=value...]");
    assert_refused("chunk=1M,", "policy epoch: '' has no '='; expected key=value[,key=value...]");
    assert_refused("chunk=1M,,roots=1", "policy epoch: '' has no '='; expected key=value[,key=value...]");
    assert_refused("roots=1,roots=2",
                   "policy epoch: 'roots=2' sets its option a second time; expected key=value[,key=value...]");
    assert_refused("roots=", "policy epoch: option 'roots' wants a whole number of roots from 1 to 1000000, not ''");
}

static void overlong_items_are_refused_not_cut(void **state)
{
    (void)state;
    char text[400] = "roots=";
    memset(text + 6, '0', 300);
    strcpy(text + 306, "1");
    struct sm_option_values values;
    assert_int_equal(parse(text, &values), SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(error.detail, "is too long"));
}

static void a_failed_parse_leaves_the_values(void **state)
{
    (void)state;
    struct sm_option_values values;
    assert_int_equal(parse("roots=7", &values), SM_OK);
    struct sm_option_values before = values;
    assert_int_equal(parse("roots=8,flavor=x", &values), SM_ERR_INVALID_ARGUMENT);
    assert_memory_equal(&values, &before, sizeof(values));
    assert_int_equal(sm_options_set("policy epoch", &values, "roots", "x", NULL), SM_ERR_INVALID_ARGUMENT);
    assert_memory_equal(&values, &before, sizeof(values));
}

static void set_replaces_what_was_given_before(void **state)
{
    (void)state;
    struct sm_option_values values;
    assert_int_equal(parse("roots=7", &values), SM_OK);
    assert_int_equal(sm_options_set("policy epoch", &values, "roots", "8", &error), SM_OK);
    assert_int_equal(sm_option_count(&values, "roots"), 8);
    assert_int_equal(sm_options_set("policy epoch", &values, "root", "8", &error), SM_ERR_INVALID_ARGUMENT);
    assert_string_equal(error.detail, "policy epoch: no option 'root'; did you mean roots?");
}

static void a_default_outside_its_own_range_is_an_error(void **state)
{
    (void)state;
    const struct sm_option bad[] = {{"n", SM_OPTION_COUNT, "", "5", 10, 20, NULL, "wrong on purpose"}};
    struct sm_option_values values;
    assert_int_equal(sm_options_parse("x", bad, 1, NULL, &values, &error), SM_ERR_INVALID_ARGUMENT);
}

static void format_reads_back_as_the_same_value(void **state)
{
    (void)state;
    static const char *const texts[] = {"chunk=16M",       "chunk=65537", "roots=12345", "factor=0.1",
                                        "factor=2.000001", "inline=on",   "inline=off",  "flavor=bp"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct sm_option_values values;
        struct sm_option_values again;
        assert_int_equal(parse(texts[i], &values), SM_OK);
        size_t index = 0;
        while (!values.given[index])
            index++;
        char text[64];
        int length = sm_option_format(&values, index, text, sizeof(text));
        assert_int_equal(length, strlen(text));
        assert_string_equal(text, strchr(texts[i], '=') + 1);
        assert_int_equal(sm_options_parse("x", table, TABLE_COUNT, texts[i], &again, NULL), SM_OK);
        assert_memory_equal(&values.value[index], &again.value[index], sizeof(values.value[index]));
    }
}

static void format_truncates_as_snprintf_does(void **state)
{
    (void)state;
    struct sm_option_values values;
    assert_int_equal(parse("flavor=qsbr", &values), SM_OK);
    char text[3];
    assert_int_equal(sm_option_format(&values, 4, text, sizeof(text)), 4);
    assert_string_equal(text, "qs");
}

static void assert_near(const char *word, const char *expected)
{
    static const char *const names[] = {"epoch", "arena", "refcount", "marksweep", "boehm", "malloc", "null"};
    char text[64];
    sm_near_names(word, names, sizeof(names) / sizeof(names[0]), text, sizeof(text));
    assert_string_equal(text, expected);
}

static void near_names_by_edits_and_prefix(void **state)
{
    (void)state;
    assert_near("epcoh", "epoch");
    assert_near("Arena", "arena");
    assert_near("ref", "refcount");
    assert_near("ma", "marksweep, malloc");
    assert_near("refcounting", "refcount");
    assert_near("nul", "null");
    assert_near("xyzzy", "");
    assert_near("", "");
    assert_near("qq", "");
}

static void near_names_never_cut_a_name(void **state)
{
    (void)state;
    const char *const names[] = {"alpha", "alphabet", "alp"};
    char text[10];
    sm_near_names("alp", names, 3, text, sizeof(text));
    assert_string_equal(text, "alpha");
    char tiny[1];
    sm_near_names("alp", names, 3, tiny, sizeof(tiny));
    assert_string_equal(tiny, "");
}

static void near_names_take_words_of_any_length(void **state)
{
    (void)state;
    char word[4096];
    memset(word, 'e', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    assert_near(word, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_are_one_line_whatever_they_quote),
        cmocka_unit_test(size_suffixes_are_powers_of_1024),
        cmocka_unit_test(size_reaches_2_to_63_minus_1),
        cmocka_unit_test(malformed_sizes_are_refused_and_leave_the_result),
        cmocka_unit_test(count_suffixes_are_powers_of_1000),
        cmocka_unit_test(malformed_counts_are_refused),
        cmocka_unit_test(reals_are_read_exactly),
        cmocka_unit_test(malformed_reals_are_refused),
        cmocka_unit_test(reals_ignore_the_locale),
        cmocka_unit_test(no_text_means_defaults),
        cmocka_unit_test(given_values_replace_defaults),
        cmocka_unit_test(every_word_for_on_and_off_is_known),
        cmocka_unit_test(the_line_names_owner_key_value_and_expectation),
        cmocka_unit_test(values_outside_the_range_are_refused_and_its_ends_are_not),
        cmocka_unit_test(unknown_keys_list_the_near_ones),
        cmocka_unit_test(a_table_without_options_says_so),
        cmocka_unit_test(items_that_are_not_key_and_value_are_refused),
        cmocka_unit_test(overlong_items_are_refused_not_cut),
        cmocka_unit_test(a_failed_parse_leaves_the_values),
        cmocka_unit_test(set_replaces_what_was_given_before),
        cmocka_unit_test(a_default_outside_its_own_range_is_an_error),
        cmocka_unit_test(format_reads_back_as_the_same_value),
        cmocka_unit_test(format_truncates_as_snprintf_does),
        cmocka_unit_test(near_names_by_edits_and_prefix),
        cmocka_unit_test(near_names_never_cut_a_name),
        cmocka_unit_test(near_names_take_words_of_any_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
