/* Values by kind: truth, number, size, time, word; and config.def's rows. */
#include <stdlib.h>
#include <strings.h>

#include "common/config_impl.h"
#include "common/log.h"

/* "least" of an enum row is its words; of other rows a number. */
#define ROW_CFG_STR(...) ROW_NUMBER(KIND_STR, __VA_ARGS__)
#define ROW_CFG_BOOL(...) ROW_NUMBER(KIND_BOOL, __VA_ARGS__)
#define ROW_CFG_UINT(...) ROW_NUMBER(KIND_UINT, __VA_ARGS__)
#define ROW_CFG_SIZE(...) ROW_NUMBER(KIND_SIZE, __VA_ARGS__)
#define ROW_CFG_TIME(...) ROW_NUMBER(KIND_TIME, __VA_ARGS__)
#define ROW_NUMBER(kind, field, name, initial, least, most, reload, help) \
	{ kind, name, initial, least, most, NULL, reload, \
	    offsetof(struct config, field) },
#define ROW_CFG_ENUM(field, name, initial, words, most, reload, help) \
	{ KIND_ENUM, name, initial, 0, 0, words, reload, \
	    offsetof(struct config, field) },
#define OPT(kind, ...) ROW_##kind(__VA_ARGS__)

const struct cfg_option cfg_options[] = {
#include "common/config.def"
};
#undef OPT

const size_t cfg_option_count = sizeof cfg_options / sizeof *cfg_options;

size_t
cfg_option_find(const char *name)
{
	size_t i = 0;

	while (i < cfg_option_count && strcmp(cfg_options[i].name, name) != 0)
		i++;
	return i;
}

bool
cfg_to_bool(const char *s, bool *out)
{
	static const char *const yes[] = { "yes", "y", "1", "true" };
	static const char *const no[] = { "no", "n", "0", "false" };

	for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
		if (strcasecmp(s, yes[i]) == 0 || strcasecmp(s, no[i]) == 0) {
			*out = strcasecmp(s, yes[i]) == 0;
			return true;
		}
	}
	return false;
}

/* A number, spaces, and the rest: the unit. */
static bool
number_and_unit(const char *s, uint64_t *number, const char **unit)
{
	size_t n = strspn(s, "0123456789");

	if (!span_to_u64((struct span){ s, n }, UINT64_MAX, number) || n == 0)
		return false;
	*unit = s + n + strspn(s + n, " \t");
	return true;
}

static bool
times(uint64_t number, uint64_t factor, uint64_t *out)
{
	return !__builtin_mul_overflow(number, factor, out);
}

bool
cfg_to_size(const char *s, uint64_t *out)
{
	static const char letters[] = "bkmgt";
	const char *unit, *letter;
	uint64_t number;

	if (!number_and_unit(s, &number, &unit))
		return false;
	if (*unit == '\0') {
		*out = number;
		return true;
	}
	letter = strchr(letters, *unit | 0x20);
	if (letter == NULL || (unit[1] != '\0' &&
	    strcasecmp(unit + 1, "b") != 0 &&
	    strcasecmp(unit + 1, "i") != 0 && strcasecmp(unit + 1, "ib") != 0))
		return false;
	return times(number, UINT64_C(1) << (10 * (letter - letters)), out);
}

/* Units may be cut short, as in Dovecot: "m" and "mi" are minutes. */
bool
cfg_to_msecs(const char *s, uint64_t *out)
{
	static const struct {
		const char *name;
		uint64_t msecs;
	} units[] = {
		{ "seconds", 1000 }, { "secs", 1000 },
		{ "minutes", 60000 }, { "mins", 60000 },
		{ "hours", 3600000 }, { "days", 86400000 },
		{ "weeks", 604800000 }, { "msecs", 1 }, { "mseconds", 1 },
		{ "millisecs", 1 }, { "milliseconds", 1 },
	};
	const char *unit;
	uint64_t number;

	if (!number_and_unit(s, &number, &unit))
		return false;
	if (*unit == '\0')
		return times(number, 1000, out);
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		if (strncasecmp(unit, units[i].name, strlen(unit)) == 0)
			return times(number, units[i].msecs, out);
	}
	return false;
}

int
cfg_word_index(const char *words, const char *word)
{
	struct span rest = span_of(words);

	for (int i = 0; rest.p != NULL; i++) {
		if (span_ieq(span_cut(&rest, '|'), span_of(word)))
			return i;
	}
	return -1;
}

struct span
cfg_next_word(struct span *list)
{
	struct span w = { NULL, 0 };
	size_t i = 0, n;

	while (i < list->n && strchr(" \t,\n", list->p[i]) != NULL)
		i++;
	for (n = i; n < list->n && strchr(" \t,\n", list->p[n]) == NULL; n++)
		continue;
	if (n > i)
		w = (struct span){ list->p + i, n - i };
	if (list->p != NULL)
		*list = (struct span){ list->p + n, list->n - n };
	return w;
}

/* "unlimited" (2.4): no limit where the row has a number for that. */
static uint64_t
unlimited(const struct cfg_option *o)
{
	static const char *const zero[] = { "mail_max_userip_connections",
		"last_valid_uid" };

	for (size_t i = 0; i < sizeof zero / sizeof *zero; i++) {
		if (strcmp(o->name, zero[i]) == 0)
			return 0;
	}
	return o->most;
}

static void
add_time(struct buf *b, uint64_t ms)
{
	static const struct {
		const char *name;
		uint64_t msecs;
	} units[] = { { "days", 86400000 }, { "hours", 3600000 },
		{ "mins", 60000 }, { "secs", 1000 } };

	for (size_t i = 0; ms != 0 && i < sizeof units / sizeof *units; i++) {
		if (ms % units[i].msecs == 0) {
			buf_addf(b, "%llu %s", (unsigned long long)
			    (ms / units[i].msecs), units[i].name);
			return;
		}
	}
	buf_addf(b, ms == 0 ? "%llu" : "%llu ms", (unsigned long long)ms);
}

static void
add_size(struct buf *b, uint64_t n)
{
	static const char letters[] = "\0KMGT";
	int i = 0;

	while (n != 0 && n % 1024 == 0 && i < 4) {
		n /= 1024;
		i++;
	}
	buf_add_u64(b, n);
	if (i > 0)
		buf_addf(b, " %c", letters[i]);
}

static void
add_number(struct buf *b, enum cfg_kind kind, uint64_t n)
{
	if (kind == KIND_SIZE)
		add_size(b, n);
	else if (kind == KIND_TIME)
		add_time(b, n);
	else
		buf_add_u64(b, n);
}

static const char *
range_text(const struct cfg_option *o, struct arena *a)
{
	struct buf b = { 0 };
	const char *s;

	buf_adds(&b, "must be from ");
	add_number(&b, o->kind, o->least);
	buf_adds(&b, " to ");
	add_number(&b, o->kind, o->most);
	s = arena_cstr(a, buf_span(&b));
	buf_clear(&b);
	return s;
}

static bool
set_number(struct config *cfg, const struct cfg_option *o, const char *value,
    struct arena *a, const char **why_out)
{
	uint64_t n = 0;
	bool good;

	if (strcasecmp(value, "unlimited") == 0 ||
	    strcasecmp(value, "infinite") == 0) {
		good = true;
		n = unlimited(o);
	} else if (o->kind == KIND_SIZE) {
		good = cfg_to_size(value, &n);
		*why_out = "is not a size (such as 64k, 10 M, 1G)";
	} else if (o->kind == KIND_TIME) {
		good = cfg_to_msecs(value, &n);
		*why_out = "is not a time (such as 500ms, 30s, 5 min, 1 hour)";
	} else {
		good = span_to_u64(span_of(value), UINT64_MAX, &n) &&
		    *value != '\0';
		*why_out = "is not a number";
	}
	if (!good)
		return false;
	if (n < o->least || n > o->most) {
		*why_out = range_text(o, a);
		return false;
	}
	memcpy((char *)cfg + o->offset, &n, sizeof n);
	return true;
}

bool
cfg_option_set(struct config *cfg, const struct cfg_option *o,
    const char *value, struct arena *a, const char **why_out)
{
	char *field = (char *)cfg + o->offset;
	const char *copy;
	bool yes;
	int word;

	switch (o->kind) {
	case KIND_STR:
		copy = arena_cstr(a, span_of(value));
		memcpy(field, &copy, sizeof copy);
		return true;
	case KIND_BOOL:
		*why_out = "must be yes or no";
		if (!cfg_to_bool(value, &yes))
			return false;
		memcpy(field, &yes, sizeof yes);
		return true;
	case KIND_ENUM:
		word = cfg_word_index(o->words, value);
		*why_out = arena_printf(a, "must be one of %s", o->words);
		if (word < 0)
			return false;
		memcpy(field, &word, sizeof word);
		return true;
	case KIND_UINT:
	case KIND_SIZE:
	case KIND_TIME:
		break;
	}
	return set_number(cfg, o, value, a, why_out);
}

void
cfg_option_text(const struct config *cfg, const struct cfg_option *o,
    struct buf *out)
{
	const char *field = (const char *)cfg + o->offset, *s;
	struct span words = span_of(o->words), word = SPAN_NONE;
	uint64_t n;
	bool yes;
	int i;

	switch (o->kind) {
	case KIND_STR:
		memcpy(&s, field, sizeof s);
		buf_adds(out, s);
		return;
	case KIND_BOOL:
		memcpy(&yes, field, sizeof yes);
		buf_adds(out, yes ? "yes" : "no");
		return;
	case KIND_ENUM:
		memcpy(&i, field, sizeof i);
		for (; i >= 0; i--)
			word = span_cut(&words, '|');
		buf_add_span(out, word);
		return;
	case KIND_UINT:
	case KIND_SIZE:
	case KIND_TIME:
		break;
	}
	memcpy(&n, field, sizeof n);
	add_number(out, o->kind, n);
}
