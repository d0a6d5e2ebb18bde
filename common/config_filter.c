/* 2.4's %{variable | filter(argument) % number}, and 2.3's %{md5:variable}. */
#include <inttypes.h>

#include "common/config_expand.h"
#include "common/digest.h"
#include "common/log.h"

/* A value on its way through the filters. */
struct piped {
	struct arena *arena;
	struct span value;
	bool binary;		/* a digest: written as hexadecimal digits */
	bool missing;		/* there is no such variable; default() helps */
	const char *why;
};

enum { ARGS_MAX = 2 };

struct call {
	struct span name;
	struct span args[ARGS_MAX];	/* quotes taken off */
	int count;
};

const char *
expand_brace_end(const char *p)
{
	char quote = '\0';

	for (; *p != '\0'; p++) {
		if (quote != '\0') {
			if (*p == '\\' && p[1] != '\0')
				p++;
			else if (*p == quote)
				quote = '\0';
		} else if (*p == '"' || *p == '\'') {
			quote = *p;
		} else if (*p == '}') {
			return p;
		}
	}
	return NULL;
}

static bool
fail(struct piped *x, const char *fmt, struct span what)
{
	x->why = arena_printf(x->arena, "%s %s", log_text(what), fmt);
	return false;
}

/* ---- reading ---- */

static void
skip_blanks(struct span *s)
{
	while (s->n > 0 && (*s->p == ' ' || *s->p == '\t')) {
		s->p++;
		s->n--;
	}
}

static struct span
take(struct span *s, size_t n)
{
	struct span w = { s->p, n };

	s->p += n;
	s->n -= n;
	return w;
}

static bool
is_name(char c)
{
	return c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	    (c >= 'a' && c <= 'z');
}

static struct span
take_name(struct span *s)
{
	size_t n = 0;

	while (n < s->n && is_name(s->p[n]))
		n++;
	return take(s, n);
}

static bool
take_arg(struct span *s, struct span *out)
{
	size_t n = 0;

	skip_blanks(s);
	if (s->n > 0 && (*s->p == '"' || *s->p == '\'')) {
		char quote = *s->p;

		(void)take(s, 1);
		while (n < s->n && s->p[n] != quote)
			n++;
		if (n == s->n)
			return false;
		*out = take(s, n);
		(void)take(s, 1);
	} else {
		while (n < s->n && (is_name(s->p[n]) || s->p[n] == '-'))
			n++;
		if (n == 0)
			return false;
		*out = take(s, n);
	}
	skip_blanks(s);
	return true;
}

/* name, or name(argument, argument) */
static bool
take_call(struct piped *x, struct span *s, struct call *c)
{
	*c = (struct call){ 0 };
	skip_blanks(s);
	c->name = take_name(s);
	if (c->name.n == 0)
		return fail(x, "is not understood", *s);
	skip_blanks(s);
	if (s->n == 0 || *s->p != '(')
		return true;
	(void)take(s, 1);
	skip_blanks(s);
	while (s->n > 0 && *s->p != ')') {
		if (c->count == ARGS_MAX || !take_arg(s, &c->args[c->count++]))
			return fail(x, "has arguments that are not understood",
			    c->name);
		if (s->n > 0 && *s->p == ',')
			(void)take(s, 1);
	}
	if (s->n == 0)
		return fail(x, "has no \")\"", c->name);
	(void)take(s, 1);
	skip_blanks(s);
	return true;
}

static bool
to_long(struct span s, long *out)
{
	bool minus = s.n > 0 && *s.p == '-';
	uint64_t n;

	if (minus)
		(void)take(&s, 1);
	if (s.n == 0 || !span_to_u64(s, 1000000000, &n))
		return false;
	*out = minus ? -(long)n : (long)n;
	return true;
}

/* A number: the decimal digits, or the bytes of a digest, first one highest. */
static bool
number_of(struct piped *x, uint64_t *out)
{
	*out = 0;
	if (!x->binary) {
		if (x->value.n > 0 && span_to_u64(x->value, UINT64_MAX, out))
			return true;
		return fail(x, "is not a number", x->value);
	}
	if (x->value.n > 8)
		return fail(x, "counts with eight bytes at most: use substr(0, "
		    "8) before", SPAN("arithmetic"));
	for (size_t i = 0; i < x->value.n; i++)
		*out = *out << 8 | (unsigned char)x->value.p[i];
	return true;
}

/* ---- filters ---- */

static bool
filter_digest(struct piped *x, const struct call *c)
{
	unsigned char *sum = arena_alloc(x->arena, 64);
	const char *name = expand_case(x->arena, c->name, true).p;
	size_t n = 0;

	if (c->count > 0)
		return fail(x, "takes no arguments here", c->name);
	if (digest(name, x->value.p == NULL ? SPAN("") : x->value, sum, &n) !=
	    ERR_OK)
		return fail(x, "is not offered by OpenSSL", c->name);
	x->value = (struct span){ (const char *)sum, n };
	x->binary = true;
	return true;
}

static bool
filter_user(struct piped *x, const struct call *c)
{
	struct span rest = x->value, name = span_cut(&rest, '@');

	x->value = span_eq(c->name, SPAN("username")) ? name : rest;
	return true;
}

static bool
filter_substr(struct piped *x, const struct call *c)
{
	long n = (long)x->value.n, from, len = n;

	if (c->count == 0 || !to_long(c->args[0], &from) ||
	    (c->count == 2 && !to_long(c->args[1], &len)))
		return fail(x, "is substr(offset, length)", c->name);
	if (from < 0)
		from = n + from < 0 ? 0 : n + from;
	if (from > n)
		from = n;
	if (len < 0)
		len = n - from + len < 0 ? 0 : n - from + len;
	if (len > n - from)
		len = n - from;
	x->value = (struct span){ x->value.p == NULL ? "" : x->value.p + from,
		(size_t)len };
	return true;
}

static bool
filter_truncate(struct piped *x, const struct call *c)
{
	long n;

	if (c->count != 1 || !to_long(c->args[0], &n) || n < 0)
		return fail(x, "is truncate(length)", c->name);
	if ((size_t)n < x->value.n)
		x->value.n = (size_t)n;
	return true;
}

static bool
filter_hex(struct piped *x, const struct call *c)
{
	long width = 1;
	uint64_t n;

	if (c->count > 1 || (c->count == 1 && (!to_long(c->args[0], &width) ||
	    width < 0 || width > 64)))
		return fail(x, "is hex(digits)", c->name);
	if (!number_of(x, &n))
		return false;
	x->value = span_of(arena_printf(x->arena, "%0*" PRIx64,
	    width < 1 ? 1 : (int)width, n));
	x->binary = false;
	return true;
}

static bool
filter_hexlify(struct piped *x, const struct call *c)
{
	long width = 0;
	char *hex = arena_alloc(x->arena, 2 * x->value.n + 1), *p;

	if (c->count > 1 || (c->count == 1 && (!to_long(c->args[0], &width) ||
	    width < 0 || width > 64)))
		return fail(x, "is hexlify(digits)", c->name);
	hex_encode(x->value.p, x->value.n, hex);
	x->value = (struct span){ hex, 2 * x->value.n };
	x->binary = false;
	if ((size_t)width <= x->value.n)
		return true;
	p = arena_alloc(x->arena, (size_t)width + 1);
	memset(p, '0', (size_t)width);
	memcpy(p + ((size_t)width - x->value.n), hex, x->value.n);
	x->value = (struct span){ p, (size_t)width };
	return true;
}

static bool
filter_case(struct piped *x, const struct call *c)
{
	x->value = expand_case(x->arena, x->value,
	    span_eq(c->name, SPAN("upper")));
	return true;
}

static bool
filter_reverse(struct piped *x, const struct call *c)
{
	(void)c;
	x->value = expand_reverse(x->arena, x->value);
	return true;
}

static bool
filter_default(struct piped *x, const struct call *c)
{
	if (c->count > 1)
		return fail(x, "is default(\"text\")", c->name);
	if (x->missing || x->value.n == 0)
		x->value = c->count == 1 ? c->args[0] : SPAN("");
	x->missing = false;
	return true;
}

static const struct filter {
	const char *name;
	bool (*run)(struct piped *x, const struct call *c);
} filters[] = {
	{ "username", filter_user }, { "domain", filter_user },
	{ "lower", filter_case }, { "upper", filter_case },
	{ "md5", filter_digest }, { "sha1", filter_digest },
	{ "sha256", filter_digest }, { "sha384", filter_digest },
	{ "sha512", filter_digest }, { "substr", filter_substr },
	{ "truncate", filter_truncate }, { "hex", filter_hex },
	{ "hexlify", filter_hexlify }, { "reverse", filter_reverse },
	{ "default", filter_default },
};

static bool
run_filter(struct piped *x, const struct call *c)
{
	for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
		if (!span_eq(c->name, span_of(filters[i].name)))
			continue;
		if (x->missing && filters[i].run != filter_default)
			return fail(x, "cannot be used without a "
			    "value", c->name);
		return filters[i].run(x, c);
	}
	return fail(x, "is not a filter that Loft knows", c->name);
}

/* "% 256", "+ 1" and so on, as many as follow. */
static bool
arithmetic(struct piped *x, struct span *s)
{
	uint64_t a, b;
	struct span digits;
	char op;

	for (skip_blanks(s); s->n > 0 && strchr("%+-*/", *s->p) != NULL;
	    skip_blanks(s)) {
		op = *take(s, 1).p;
		skip_blanks(s);
		digits = take_name(s);
		if (digits.n == 0 || !span_to_u64(digits, UINT32_MAX, &b) ||
		    (b == 0 && (op == '%' || op == '/')))
			return fail(x, "is not a number to count with", digits);
		if (!number_of(x, &a))
			return false;
		a = op == '%' ? a % b : op == '/' ? a / b : op == '+' ? a + b :
		    op == '*' ? a * b : a < b ? 0 : a - b;
		x->value = span_of(arena_printf(x->arena, "%" PRIu64, a));
		x->binary = false;
	}
	return true;
}

/* ---- the expression ---- */

/* 2.3: "md5:user" */
static bool
old_digest(struct piped *x, const struct config_vars *v, struct span inner,
    bool *from_user)
{
	struct call c = { .name = span_cut(&inner, ':') };

	if (!expand_lookup(v, inner, x->arena, &x->value, from_user))
		return false;
	for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
		if (filters[i].run == filter_digest &&
		    span_eq(c.name, span_of(filters[i].name)))
			return filter_digest(x, &c);
	}
	return false;
}

static bool
pipeline(struct piped *x, const struct config_vars *v, struct span inner,
    bool *from_user)
{
	struct span name;
	struct call c;

	skip_blanks(&inner);
	name = take_name(&inner);
	x->missing = name.n == 0 ||
	    !expand_lookup(v, name, x->arena, &x->value, from_user);
	if (!x->missing && !arithmetic(x, &inner))
		return false;
	skip_blanks(&inner);
	while (inner.n > 0 && *inner.p == '|') {
		(void)take(&inner, 1);
		if (!take_call(x, &inner, &c) || !run_filter(x, &c) ||
		    !arithmetic(x, &inner))
			return false;
	}
	if (inner.n > 0)
		return fail(x, "is not understood", inner);
	return !x->missing;
}

bool
expand_braces(const struct config_vars *v, struct span inner, struct arena *a,
    struct span *out, bool *from_user, const char **why_out)
{
	struct piped x = { .arena = a };
	bool good;

	*from_user = false;
	if (span_find(inner, '|') == inner.n && span_find(inner, ':') < inner.n)
		good = old_digest(&x, v, inner, from_user);
	else
		good = pipeline(&x, v, inner, from_user);
	if (!good) {
		*why_out = x.why == NULL ? "is not known" :
		    arena_printf(a, "is not understood: %s", x.why);
		return false;
	}
	if (x.binary)
		(void)filter_hexlify(&x, &(struct call){ 0 });
	*out = x.value;
	return true;
}
