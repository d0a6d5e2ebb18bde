#include "common/quota_rules.h"

#include <string.h>

#include "common/config_impl.h"

enum { PERCENT_MAX = 1000000 };

/* ---- names ---- */

/*
 * 2.3 has these in plugin { }, 2.4 outside of blocks and in quota NAME { }. The
 * names are apart, but for two that mean the same.
 */
static const char all_names[] = "quota|quota_grace|quota_max_mail_size|"
    "quota_exceeded_message|quota_full_tempfail|quota_storage_size|"
    "quota_storage_percentage|quota_storage_extra|quota_storage_grace|"
    "quota_message_count|quota_message_percentage|quota_mail_size|"
    "quota_ignore";
static const char mailbox_names[] = "quota_storage_percentage|"
    "quota_storage_extra|quota_message_percentage|quota_ignore";

/* "quota_rule", "quota_rule2" ... */
static bool
is_rule(const char *name)
{
	const char *digit = name + strlen("quota_rule");

	return strncmp(name, "quota_rule", strlen("quota_rule")) == 0 &&
	    strspn(digit, "0123456789") == strlen(digit);
}

bool
quota_rules_has(const char *name)
{
	return is_rule(name) || cfg_word_index(all_names, name) >= 0;
}

bool
quota_rules_has_mailbox(const char *name)
{
	return cfg_word_index(mailbox_names, name) >= 0;
}

static const char *
find(const struct quota_setting *set, const char *name)
{
	const char *value = NULL;

	for (; set != NULL; set = set->next)
		if (strcmp(set->name, name) == 0)
			value = set->value;
	return value;
}

/* ---- values ---- */

/* "B", "k", "MB", "MiB" ...: the power of 1024; -1: no such unit. */
static int
unit_power(struct span unit, int usual)
{
	static const char letters[] = "BKMGT";
	const char *at;

	if (unit.n == 0)
		return usual;
	at = strchr(letters, unit.p[0] & ~0x20);
	if (at == NULL || *at == '\0' || (unit.n > 1 && *at == 'B') ||
	    (unit.n == 2 && (unit.p[1] & ~0x20) != 'B') || unit.n > 3 ||
	    (unit.n == 3 && ((unit.p[1] & ~0x20) != 'I' ||
	    (unit.p[2] & ~0x20) != 'B')))
		return -1;
	return (int)(at - letters);
}

/*
 * "+100M", "10%": an amount and, apart from it, a percentage. usual: the power of 1024
 * where no unit is given; -1: a plain number.
 */
static const char *
read_amount(struct span s, int usual, int64_t *amount, int64_t *percent)
{
	int64_t n;
	int power;

	s = span_trim(s);
	if (!span_take_i64(&s, &n))
		return "must be a number";
	s = span_trim(s);
	/* 2.3 has to write "%%". */
	if (span_eq(s, SPAN("%")) || span_eq(s, SPAN("%%"))) {
		if (percent == NULL)
			return "cannot be a percentage";
		if (n <= -100 || n > PERCENT_MAX)
			return "is no percentage that makes sense";
		*percent = n;
		return NULL;
	}
	power = usual < 0 ? (s.n == 0 ? 0 : -1) : unit_power(s, usual);
	if (power < 0)
		return "has a unit that is not B, k, M, G or T";
	for (; power > 0; power--)
		if (__builtin_mul_overflow(n, 1024, &n))
			return "is too large";
	*amount = n;
	return NULL;
}

/* One of 2.4's settings, or of those that are a plain number. */
static const char *
read_u64(const struct quota_setting *set, const char *name, int usual,
    uint64_t *out)
{
	const char *text = find(set, name), *why;
	int64_t n = 0;

	if (text == NULL || *text == '\0' || strcmp(text, "unlimited") == 0)
		return NULL;
	why = read_amount(span_of(text), usual, &n, NULL);
	if (why == NULL && n < 0)
		why = "cannot be negative";
	if (why == NULL)
		*out = (uint64_t)n;
	return why;
}

/* ---- 2.3: quota_rule = MASK:storage=1G:messages=1000 ---- */

static const char *
read_part(struct span part, struct quota_rule *r)
{
	static const struct {
		struct span name;
		int usual;
		bool messages;
	} kinds[] = {
		{ SPAN("storage"), 1, false }, { SPAN("bytes"), 0, false },
		{ SPAN("messages"), -1, true },
	};
	struct span name = span_cut(&part, '=');

	if (span_eq(name, SPAN("ignore"))) {
		r->ignore = true;
		return NULL;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (!span_eq(name, kinds[i].name) || part.p == NULL)
			continue;
		return kinds[i].messages ? read_amount(part, kinds[i].usual,
		    &r->messages, &r->messages_percent) : read_amount(part,
		    kinds[i].usual, &r->bytes, &r->bytes_percent);
	}
	return "has something else than storage=, bytes=, messages= and "
	    "ignore";
}

static struct quota_rule *
new_rule(struct quota *q, const char *mask, struct arena *a)
{
	struct quota_rule *r;

	for (size_t i = 0; i < q->n_rules; i++)
		if (strcmp(q->rule[i].mask, mask) == 0)
			return &q->rule[i];
	if (q->n_rules == QUOTA_RULES_MAX)
		return NULL;
	if (q->rule == NULL)
		q->rule = arena_array(a, QUOTA_RULES_MAX, sizeof(*q->rule));
	r = &q->rule[q->n_rules++];
	*r = (struct quota_rule){ .mask = mask };
	return r;
}

/* "*" are the limits of all; "?" too, where maildirsize has none. */
static const char *
read_rule(struct quota *q, const char *text, struct arena *a)
{
	struct span rest = span_of(text), mask = span_cut(&rest, ':');
	bool all = span_eq(mask, SPAN("*")), weak = span_eq(mask, SPAN("?"));
	struct quota_rule limits = { 0 }, *r = &limits;
	const char *why = NULL;

	if (rest.p == NULL || mask.n == 0)
		return "must be MAILBOX:LIMITS, as in *:storage=1G";
	if (!all && !weak && (r = new_rule(q, arena_cstr(a, mask), a)) == NULL)
		return "is one too many";
	while (rest.p != NULL && why == NULL)
		why = read_part(span_cut(&rest, ':'), r);
	if (why != NULL || (!all && !weak))
		return why;
	if (limits.ignore || limits.bytes_percent != 0 ||
	    limits.messages_percent != 0)
		return "can be a number only, for all mailboxes";
	if (limits.bytes < 0 || limits.messages < 0)
		return "cannot be negative, for all mailboxes";
	q->bytes = (uint64_t)limits.bytes;
	q->messages = (uint64_t)limits.messages;
	q->limits_from_file &= !all;
	return NULL;
}

static int
rule_number(const char *name)
{
	uint64_t n = 1;

	name += strlen("quota_rule");
	if (*name != '\0' && !span_to_u64(span_of(name), QUOTA_RULES_MAX, &n))
		return 0;
	return (int)n;
}

/* In the order of their numbers, and as with Dovecot up to the first that lacks. */
static const char *
read_rules(struct quota *q, const struct quota_setting *set, struct arena *a,
    const char **name_out)
{
	for (int i = 1; i <= QUOTA_RULES_MAX; i++) {
		const char *text = NULL, *why;

		for (const struct quota_setting *s = set; s != NULL;
		    s = s->next)
			if (is_rule(s->name) && rule_number(s->name) == i) {
				text = s->value;
				*name_out = s->name;
			}
		if (text == NULL)
			return NULL;
		if (*text != '\0' && (why = read_rule(q, text, a)) != NULL)
			return why;
	}
	return NULL;
}

/* ---- the quota root ---- */

/* 2.3: "maildir:User quota:noenforcing". */
static const char *
read_root(struct quota *q, const char *text, struct arena *a)
{
	struct span rest = span_of(text), driver = span_cut(&rest, ':');
	struct span name = rest.p == NULL ? SPAN("") : span_cut(&rest, ':');

	q->name = arena_cstr(a, name);
	q->maildirsize = span_eq(driver, SPAN("maildir"));
	while (rest.p != NULL) {
		struct span arg = span_cut(&rest, ':');

		if (span_eq(arg, SPAN("noenforcing")))
			q->enforce = false;
		else if (span_eq(arg, SPAN("hidden")))
			q->hidden = true;
		else if (span_starts(arg, SPAN("ns=")))
			return "is for one namespace (ns=), which is not "
			    "supported";
	}
	if (span_eq(driver, SPAN("fs")))
		return "is the file system's, which answers by itself when it "
		    "is full; no limits are kept beside it";
	if (!q->maildirsize && !span_eq(driver, SPAN("count")) &&
	    !span_eq(driver, SPAN("dict")) &&
	    !span_eq(driver, SPAN("dirsize")))
		return "has a driver that is not maildir or count";
	q->is_on = true;
	return NULL;
}

static const char *
read_grace(struct quota *q, const char *text)
{
	int64_t bytes = 0, percent = 0;
	const char *why = read_amount(span_of(text), 0, &bytes, &percent);

	if (why == NULL && (bytes < 0 || percent < 0))
		why = "cannot be negative";
	if (why == NULL) {
		q->grace_bytes = (uint64_t)bytes;
		q->grace_percent = (uint64_t)percent;
	}
	return why;
}

/* 2.4: size * percentage / 100 + extra. */
static uint64_t
scaled(uint64_t limit, uint64_t percent, uint64_t extra)
{
	uint64_t n;

	if (limit == 0)
		return 0;
	if (__builtin_mul_overflow(limit, percent, &n))
		n = limit / 100 * percent;
	else
		n /= 100;
	return n + extra < n ? UINT64_MAX : n + extra;
}

static const char *
read_new_limits(struct quota *q, const struct quota_setting *set,
    const char **name_out)
{
	uint64_t bytes = q->bytes, messages = q->messages, extra = 0;
	uint64_t bytes_percent = 100, messages_percent = 100;
	const struct {
		const char *name;
		int usual;
		uint64_t *to;
	} rows[] = {
		{ "quota_storage_size", 0, &bytes },
		{ "quota_storage_percentage", -1, &bytes_percent },
		{ "quota_storage_extra", 0, &extra },
		{ "quota_storage_grace", 0, &q->grace_bytes },
		{ "quota_message_count", -1, &messages },
		{ "quota_message_percentage", -1, &messages_percent },
		{ "quota_mail_size", 0, &q->max_mail_bytes },
		{ "quota_max_mail_size", 0, &q->max_mail_bytes },
	};
	const char *why;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		*name_out = rows[i].name;
		if ((why = read_u64(set, rows[i].name, rows[i].usual,
		    rows[i].to)) != NULL)
			return why;
	}
	if (find(set, "quota_storage_size") != NULL ||
	    find(set, "quota_message_count") != NULL)
		q->limits_from_file = false;
	if (find(set, "quota_storage_grace") != NULL)
		q->grace_percent = 0;
	q->bytes = scaled(bytes, bytes_percent, extra);
	q->messages = scaled(messages, messages_percent, 0);
	return NULL;
}

enum err
quota_rules_read(const struct quota_setting *set, struct arena *a,
    struct quota *out, const char **name_out, const char **why_out)
{
	const char *text = find(set, "quota"), *why = NULL, *name = "quota";

	*out = (struct quota){ .name = "", .enforce = true,
		.limits_from_file = true, .grace_percent = 10,
		.exceeded = "Quota exceeded (mailbox for user is full)" };
	*name_out = *why_out = NULL;
	if (text == NULL || *text == '\0')
		return ERR_OK;
	if ((why = read_root(out, text, a)) == NULL &&
	    (why = read_rules(out, set, a, &name)) == NULL)
		why = read_new_limits(out, set, &name);
	if (why == NULL && (text = find(set, "quota_grace")) != NULL) {
		name = "quota_grace";
		why = read_grace(out, text);
	}
	if ((text = find(set, "quota_exceeded_message")) != NULL &&
	    *text != '\0')
		out->exceeded = text;
	if (why == NULL && (text = find(set, "quota_full_tempfail")) != NULL &&
	    !cfg_to_bool(text, &out->tempfail)) {
		name = "quota_full_tempfail";
		why = "must be yes or no";
	}
	for (size_t i = 0; i < out->n_rules; i++)
		out->ignores |= out->rule[i].ignore;
	if (why == NULL)
		return ERR_OK;
	*name_out = name;
	*why_out = why;
	return ERR_SYNTAX;
}

enum err
quota_rules_add(struct quota *q, const char *mask,
    const struct quota_setting *set, struct arena *a, const char **name_out,
    const char **why_out)
{
	struct quota_rule *r = new_rule(q, mask, a);
	uint64_t extra = 0, bytes_percent = 100, messages_percent = 100;
	const char *text = find(set, "quota_ignore");

	if (r == NULL)
		return ERR_LIMIT;
	*name_out = "quota_ignore";
	*why_out = text != NULL && !cfg_to_bool(text, &r->ignore) ?
	    "must be yes or no" : NULL;
	if (*why_out == NULL)
		*why_out = read_u64(set, *name_out = "quota_storage_extra", 0,
		    &extra);
	if (*why_out == NULL)
		*why_out = read_u64(set, *name_out =
		    "quota_storage_percentage", -1, &bytes_percent);
	if (*why_out == NULL)
		*why_out = read_u64(set, *name_out =
		    "quota_message_percentage", -1, &messages_percent);
	if (*why_out == NULL && (extra > INT64_MAX ||
	    bytes_percent > PERCENT_MAX || messages_percent > PERCENT_MAX))
		*why_out = "is too large";
	if (*why_out != NULL)
		return ERR_SYNTAX;
	r->bytes = (int64_t)extra;
	r->bytes_percent = (int64_t)bytes_percent - 100;
	r->messages_percent = (int64_t)messages_percent - 100;
	q->ignores |= r->ignore;
	return ERR_OK;
}

/* ---- a mailbox ---- */

/* "*" any text, "?" any character; without recursion. */
static bool
fits(struct span name, const char *mask)
{
	const char *star = NULL, *p = mask;
	size_t i = 0, back = 0;

	while (i < name.n) {
		if (*p == '*') {
			star = p++;
			back = i;
		} else if (*p != '\0' && (*p == '?' || *p == name.p[i])) {
			p++;
			i++;
		} else if (star != NULL) {
			p = star + 1;
			i = ++back;
		} else {
			return false;
		}
	}
	while (*p == '*')
		p++;
	return *p == '\0';
}

static uint64_t
with_rule(uint64_t limit, int64_t extra, int64_t percent)
{
	int64_t n = limit > INT64_MAX ? INT64_MAX : (int64_t)limit, more;

	if (limit == 0)
		return 0;
	if (__builtin_mul_overflow(n, percent, &more))
		more = n / 100 * percent;
	else
		more /= 100;
	if (__builtin_add_overflow(more, extra, &more) ||
	    __builtin_add_overflow(n, more, &n))
		return INT64_MAX;
	/* A limit of nothing at all: 0 would be none. */
	return n < 1 ? 1 : (uint64_t)n;
}

struct quota_limits
quota_rules_limits(const struct quota *q, uint64_t bytes, uint64_t messages,
    struct span mailbox)
{
	struct quota_limits l = { .bytes = bytes, .messages = messages };
	const struct quota_rule *r = q->rule;
	size_t i = 0;

	while (i < q->n_rules && !fits(mailbox, r[i].mask))
		i++;
	if (i == q->n_rules)
		return l;
	l.ignored = r[i].ignore;
	l.bytes = l.ignored ? 0 : with_rule(bytes, r[i].bytes,
	    r[i].bytes_percent);
	l.messages = l.ignored ? 0 : with_rule(messages, r[i].messages,
	    r[i].messages_percent);
	return l;
}
