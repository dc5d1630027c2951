#include "provider_file.h"

#include "mailvane/base/domain.h"
#include "mailvane/classify/provider.h"

#define LABEL_MAX 63 /* RFC 1035, 2.3.4 */

static bool is_name_byte(char c)
{
    return byte_is_lower(c) || byte_is_digit(c) || c == '-' || c == '.' || c == '/';
}

static bool is_name(struct slice name)
{
    if (name.len == 0 || name.len > PROVIDER_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (!is_name_byte(name.ptr[i]))
            return false;
    }
    return byte_is_lower(name.ptr[0]) || byte_is_digit(name.ptr[0]);
}

static bool is_label(struct slice label)
{
    for (size_t i = 0; i < label.len; i++) {
        if (!byte_is_alnum(label.ptr[i]) && label.ptr[i] != '-' && label.ptr[i] != '_')
            return false;
    }
    return label.len > 0 && label.len <= LABEL_MAX;
}

static bool is_domain(struct slice domain)
{
    if (domain.len == 0 || domain.len > DOMAIN_MAX || domain.ptr[domain.len - 1] == '.')
        return false;
    while (domain.len) {
        if (!is_label(slice_cut(&domain, '.')))
            return false;
    }
    return true;
}

/* The sign before a suffix says what it stands for. */
static void split_suffix(struct provider_row *row)
{
    row->key = row->suffix;
    row->kind = PROVIDER_KEY_HOST;
    if (slice_take(&row->key, SLICE(".")))
        row->kind = PROVIDER_KEY_BELOW;
    else if (slice_take(&row->key, SLICE("=")))
        row->kind = PROVIDER_KEY_DOMAIN;
}

enum provider_file_result provider_file_next(struct row_file *file, struct provider_row *row,
                                             struct error *err)
{
    const char *what = NULL;
    if (!row_file_next(file))
        return PROVIDER_END;
    struct slice rest = file->row;
    row->provider = slice_cut(&rest, '\t');
    row->suffix = slice_trim(slice_cut(&rest, '\t'));
    split_suffix(row);
    struct slice wrong = row->provider;
    if (!is_name(row->provider)) {
        what = "is no provider's name: at most 63 of a-z 0-9 . - / with a letter or digit first, "
               "then a tab";
    } else if (!is_domain(row->key)) {
        what = "is no suffix: .example.net, mx.example.net or =example.net must follow the tab";
        wrong = row->suffix;
    }
    if (!what)
        return PROVIDER_ROW;
    row_file_mistake(file, wrong, what, err);
    return PROVIDER_MISTAKE;
}
