#include "rule_file.h"

#include "mailvane/base/scan.h"

#define LIST_NAME_MAX 40

static const struct slice key_words[RULE_KEYS] = {
    [RULE_PROVIDER] = SLICE_INIT("provider="),
    [RULE_PHASE] = SLICE_INIT("phase="),
    [RULE_CODE] = SLICE_INIT("code="),
    [RULE_DSN] = SLICE_INIT("dsn="),
};

static struct slice take_word(struct slice *s)
{
    const char *end = slice_end(*s), *p = scan_to2(s->ptr, end, ' ', '\t');
    struct slice word = slice_between(s->ptr, p);
    *s = slice_trim(slice_between(p, end));
    return word;
}

static bool is_list_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!byte_is_lower(c) && !byte_is_digit(c) && c != '-' && c != '.')
            return false;
    }
    return name.len > 0 && name.len <= LIST_NAME_MAX;
}

static int read_head(struct row_file *file, struct slice *s, struct rule_row *row,
                     struct error *err)
{
    struct slice word = take_word(s);
    if (!slice_eq(word, SLICE("list"))) {
        if (cause_parse(word, &row->cause))
            return 0;
        return row_file_mistake(file, word, "is no cause, nor the word \"list\"", err);
    }
    row->list = take_word(s);
    if (is_list_name(row->list))
        return 0;
    return row_file_mistake(file, row->list,
                            "is no name of a block list: at most 40 of a-z 0-9 - .", err);
}

static int read_key(struct row_file *file, struct slice *s, struct rule_row *row, struct error *err)
{
    struct slice word = take_word(s), value = word;
    for (unsigned key = 0; key < RULE_KEYS; key++) {
        if (!slice_take(&value, key_words[key]))
            continue;
        if (row->values[key].ptr)
            return row_file_mistake(file, word, "is given twice", err);
        if (value.len == 0)
            return row_file_mistake(file, word, "has no value", err);
        row->values[key] = value;
        return 0;
    }
    return row_file_mistake(
        file, word, "is not provider=, phase=, code=, dsn= or a /pattern/ to the line's end", err);
}

static int read_pattern(struct row_file *file, struct slice s, struct rule_row *row,
                        struct error *err)
{
    if (slice_eq(s, SLICE("//")))
        return row_file_mistake(file, s, "is an empty pattern: leave it out", err);
    if (s.len < 3 || s.ptr[s.len - 1] != '/')
        return row_file_mistake(file, s, "is no pattern: it must end with / on this line", err);
    row->pattern = slice_of(s.ptr + 1, s.len - 2);
    return 0;
}

enum rule_file_result rule_file_next(struct row_file *file, struct rule_row *row, struct error *err)
{
    if (!row_file_next(file))
        return RULE_FILE_END;
    *row = (struct rule_row){.line = file->line};
    struct slice s = slice_trim(file->row);
    int rc = read_head(file, &s, row, err);
    while (rc == 0 && s.len && s.ptr[0] != '/')
        rc = read_key(file, &s, row, err);
    if (rc == 0 && s.len)
        rc = read_pattern(file, s, row, err);
    if (rc == 0 && row->list.len && !row->pattern.ptr)
        rc = row_file_mistake(file, row->list, "is a block list without a /pattern/", err);
    return rc == 0 ? RULE_FILE_ROW : RULE_FILE_MISTAKE;
}
