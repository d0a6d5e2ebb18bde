/* %variables: 2.3's letters, modifiers, widths; braces: config_filter.c. */
#include "common/config_expand.h"

#include <inttypes.h>
#include <unistd.h>

#include "common/digest.h"
#include "common/log.h"

enum { EXPANDED_MAX = 65536, MODIFIERS_MAX = 10 };

/* An expansion under way. */
struct expanding {
	const struct config_vars *vars;
	const char *template;
	struct arena *arena;
	struct buf out;
	bool is_path;
	unsigned dots;		/* in the homes put in: those are in order */
	const char *why;	/* it cannot be done */
	bool leaves;	/* because the name would lead out of the path */
};

struct width {
	long offset, width;
	bool zeros;
};

static struct span
user_part(const char *user)
{
	struct span s = span_of(user);

	s.n = span_find(s, '@');
	return s;
}

static struct span
domain_part(const char *user)
{
	struct span s = span_of(user);

	(void)span_cut(&s, '@');
	return s;
}

/*
 * A variable by its long name. from_user: what a client said is in it.
 */
bool
expand_lookup(const struct config_vars *v, struct span name, struct arena *a,
    struct span *out, bool *from_user)
{
	const struct {
		const char *names;
		struct span value;
		bool from_user;
	} all[] = {
		{ "user auth_user", span_of(v->user), true },
		{ "username auth_username", user_part(v->user), true },
		{ "domain auth_domain", domain_part(v->user), true },
		{ "home", span_of(v->home), false },
		{ "service protocol", span_of(v->service), false },
		{ "lip local_ip", span_of(v->local_ip), false },
		{ "rip remote_ip", span_of(v->remote_ip), false },
		{ "session", span_of(v->session), false },
		{ "mech mechanism", span_of(v->mechanism), true },
		{ "uid", span_of(v->uid), false },
	};

	*from_user = false;
	if (span_eq(name, SPAN("pid"))) {
		*out = span_of(arena_printf(a, "%ld", (long)getpid()));
		return true;
	}
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		struct span names = span_of(all[i].names);

		while (names.p != NULL) {
			if (!span_eq(span_cut(&names, ' '), name))
				continue;
			*out = all[i].value;
			*from_user = all[i].from_user;
			return true;
		}
	}
	return false;
}

/* The long name of a 2.3 letter, or none. */
static struct span
letter_name(char c)
{
	switch (c) {
	case 'u': return SPAN("user");
	case 'n': return SPAN("username");
	case 'd': return SPAN("domain");
	case 's': return SPAN("service");
	case 'h': return SPAN("home");
	case 'l': return SPAN("lip");
	case 'r': return SPAN("rip");
	case 'i': return SPAN("uid");
	case 'm': return SPAN("mech");
	case 'p': return SPAN("pid");
	default: return SPAN_NONE;
	}
}

/* ---- modifiers ---- */

static char *
copy_of(struct arena *a, struct span s)
{
	return arena_cstr(a, s);
}

struct span
expand_case(struct arena *a, struct span s, bool up)
{
	char *p = copy_of(a, s);

	for (size_t i = 0; i < s.n; i++) {
		if (up ? p[i] >= 'a' && p[i] <= 'z' :
		    p[i] >= 'A' && p[i] <= 'Z')
			p[i] = (char)(p[i] ^ 0x20);
	}
	return (struct span){ p, s.n };
}

struct span
expand_reverse(struct arena *a, struct span s)
{
	char *p = copy_of(a, s);

	for (size_t i = 0; i < s.n; i++)
		p[i] = s.p[s.n - 1 - i];
	return (struct span){ p, s.n };
}

static struct span
modify_escape(struct arena *a, struct span s)
{
	char *p = arena_alloc(a, 2 * s.n + 1), *w = p;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\'' || s.p[i] == '\\')
			*w++ = '\\';
		*w++ = s.p[i];
	}
	return (struct span){ p, (size_t)(w - p) };
}

static struct span
modify_md5(struct arena *a, struct span s)
{
	unsigned char sum[64];
	size_t n = 0;
	char *hex = arena_alloc(a, 33);

	if (digest("MD5", s, sum, &n) != ERR_OK || n != 16)
		panic("no MD5");
	hex_encode(sum, n, hex);
	return (struct span){ hex, 32 };
}

/* "sub.example.org" as "sub,dc=example,dc=org" */
static struct span
modify_dc(struct arena *a, struct span s)
{
	char *p = arena_alloc(a, 4 * s.n + 1), *w = p;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '.') {
			memcpy(w, ",dc=", 4);
			w += 4;
		} else {
			*w++ = s.p[i];
		}
	}
	return (struct span){ p, (size_t)(w - p) };
}

/* 'N': the first eight bytes of the MD5 sum; 'H': the hash of ELF files. */
static uint64_t
hash_of(struct span s, bool new)
{
	unsigned char sum[64];
	uint64_t h = 0, high;
	size_t n = 0;

	if (new) {
		if (digest("MD5", s, sum, &n) != ERR_OK || n != 16)
			panic("no MD5");
		for (int i = 0; i < 8; i++)
			h = h << 8 | sum[i];
		return h;
	}
	for (size_t i = 0; i < s.n; i++) {
		h = ((h << 4) + (unsigned char)s.p[i]) & UINT32_MAX;
		high = h & 0xf0000000;
		if (high != 0)
			h = (h ^ high >> 24) ^ high;
	}
	return h;
}

/* %2.256Nu: modulo the width, at least offset digits; both are used up. */
static struct span
modify_hash(struct arena *a, struct span s, bool new, struct width *w)
{
	uint64_t h = hash_of(s, new);
	int digits = w->offset > 0 && w->offset < 100 ? (int)w->offset : 1;

	if (w->width > 0)
		h %= (uint64_t)w->width;
	w->offset = w->width = 0;
	return span_of(arena_printf(a, "%0*" PRIx32, digits, (uint32_t)h));
}

static struct span
modify(struct arena *a, struct span s, char modifier, struct width *w)
{
	uint64_t n = 0;

	switch (modifier) {
	case 'L': return expand_case(a, s, false);
	case 'U': return expand_case(a, s, true);
	case 'R': return expand_reverse(a, s);
	case 'E': return modify_escape(a, s);
	case 'M': return modify_md5(a, s);
	case 'N': return modify_hash(a, s, true, w);
	case 'H': return modify_hash(a, s, false, w);
	case 'D': return modify_dc(a, s);
	case 'X':
		(void)span_to_u64(s, UINT64_MAX, &n);
		return span_of(arena_printf(a, "%" PRIx64, n));
	case 'T':
		while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
			s.n--;
		return s;
	default:
		return s;
	}
}

/* The part that offset and width ask for; negative ones count from the end. */
static struct span
cut(struct arena *a, struct span s, const struct width *w)
{
	long n = (long)s.n, from = w->offset, len;

	if (from < 0)
		from = n + from < 0 ? 0 : n + from;
	if (from > n)
		from = n;
	s = (struct span){ s.p == NULL ? "" : s.p + from, (size_t)(n - from) };
	if (w->zeros && w->width > n - from && w->width < 1000) {
		char *p = arena_alloc(a, (size_t)w->width + 1);

		memset(p, '0', (size_t)w->width);
		if (s.n > 0)
			memcpy(p + ((size_t)w->width - s.n), s.p, s.n);
		return (struct span){ p, (size_t)w->width };
	}
	if (w->width == 0 || w->zeros)
		return s;
	len = w->width < 0 ? n - from + w->width : w->width;
	if (len < 0)
		len = 0;
	if ((size_t)len < s.n)
		s.n = (size_t)len;
	return s;
}

/* ---- the template ---- */

static long
read_number(const char **p, bool *minus)
{
	long n = 0;

	*minus = **p == '-';
	if (*minus)
		++*p;
	for (; **p >= '0' && **p <= '9'; ++*p)
		n = n < 100000000 ? n * 10 + (**p - '0') : n;
	return n;
}

/* [-][offset.][0]width; a "-" without a "." says nothing, as in Dovecot. */
static struct width
read_width(const char **p)
{
	struct width w = { 0 };
	const char *digits;
	bool minus;
	long n;

	digits = *p + (**p == '-');
	n = read_number(p, &minus);
	if (**p != '.') {
		w.zeros = *digits == '0' && n > 0;
		w.width = n;
		return w;
	}
	w.offset = minus ? -n : n;
	++*p;
	digits = *p;
	n = read_number(p, &minus);
	w.zeros = *digits == '0' && n > 0;
	w.width = minus ? -n : n;
	return w;
}

/* "." and ".." between slashes. */
static unsigned
dots(struct span path)
{
	unsigned n = 0;

	while (path.p != NULL) {
		struct span part = span_cut(&path, '/');

		n += span_eq(part, SPAN(".")) || span_eq(part, SPAN(".."));
	}
	return n;
}

/* Puts a value in, unless it leads out of the path. */
static bool
put(struct expanding *x, struct span value, bool from_user)
{
	if (x->is_path && from_user && span_find(value, '/') < value.n) {
		x->why = "a \"/\" in the user's name";
		x->leaves = true;
		return false;
	}
	buf_add_span(&x->out, value);
	return true;
}

static bool
fail(struct expanding *x, struct span what, const char *why)
{
	x->why = arena_printf(x->arena, "%%%s %s", log_text(what), why);
	return false;
}

/* One "%..."; *p is behind the "%". */
static bool
variable(struct expanding *x, const char **p)
{
	const char *start = *p, *end;
	char modifiers[MODIFIERS_MAX];
	int count = 0;
	struct span name, value, all;
	struct width w;
	bool from_user;

	w = read_width(p);
	while (**p != '\0' && strchr("LUREMNHDXT", **p) != NULL &&
	    count < MODIFIERS_MAX)
		modifiers[count++] = *(*p)++;
	if (**p == '{') {
		end = expand_brace_end(*p);
		if (end == NULL)
			return fail(x, span_of(start), "has no \"}\"");
		all = (struct span){ start, (size_t)(end + 1 - start) };
		name = (struct span){ *p + 1, (size_t)(end - *p - 1) };
		*p = end + 1;
		if (!expand_braces(x->vars, name, x->arena, &value, &from_user,
		    &x->why))
			return fail(x, all, x->why);
	} else {
		name = letter_name(**p);
		all = (struct span){ start, (size_t)(*p - start) +
			(**p != '\0') };
		if (name.p == NULL || !expand_lookup(x->vars, name, x->arena,
		    &value, &from_user))
			return fail(x, all, "is not known");
		++*p;
	}
	if (span_eq(name, SPAN("home"))) {
		if (value.n == 0)
			return fail(x, all, "is needed and the user has no "
			    "home");
		x->dots += dots(value);
	}
	for (int i = 0; i < count; i++)
		value = modify(x->arena, value, modifiers[i], &w);
	return put(x, cut(x->arena, value, &w), from_user);
}

static bool
is_path(const char *s)
{
	return strchr(s, '/') != NULL || strcmp(s, "~") == 0 ||
	    strncmp(s, "%h", 2) == 0 || strncmp(s, "%{home}", 7) == 0 ||
	    strncmp(s, "%{home ", 7) == 0;
}

static bool
expand_all(struct expanding *x)
{
	const char *p = x->template;

	if (strncmp(p, "~/", 2) == 0 || strcmp(p, "~") == 0) {
		if (x->vars->home == NULL || *x->vars->home == '\0') {
			x->why = "the user has no home";
			return false;
		}
		buf_adds(&x->out, x->vars->home);
		x->dots += dots(span_of(x->vars->home));
		p++;
	}
	while (*p != '\0') {
		if (*p != '%') {
			buf_addc(&x->out, *p++);
			continue;
		}
		p++;
		if (*p == '%')
			buf_addc(&x->out, *p++);
		else if (!variable(x, &p))
			return false;
	}
	return true;
}

enum err
config_expand(const char *template, const struct config_vars *vars,
    struct arena *a, const char **out)
{
	struct expanding x = { .vars = vars, .template = template, .arena = a,
		.out = { .max = EXPANDED_MAX }, .is_path = is_path(template) };
	bool good = expand_all(&x);

	if (good && x.is_path &&
	    dots(buf_span(&x.out)) > dots(span_of(template)) + x.dots) {
		x.why = "the user's name is \".\" or \"..\" there";
		x.leaves = true;
		good = false;
	}
	if (good && x.out.over) {
		x.why = "it becomes too long";
		good = false;
	}
	if (good)
		*out = arena_cstr(a, buf_span(&x.out));
	else
		log_error("cannot expand \"%s\" for user %s: %s",
		    log_text(span_of(template)), log_text(span_of(vars->user)),
		    x.why);
	buf_clear(&x.out);
	return good ? ERR_OK : x.leaves ? ERR_PERM : ERR_SYNTAX;
}
