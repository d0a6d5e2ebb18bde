/* Makes CAPABILITY from all tables and the configuration. */
#include "worker/capability.h"

#include "common/config.h"
#include "common/mechanism.h"
#include "worker/commands.h"
#include "worker/conn.h"
#include "worker/login.h"
#include "worker/session.h"

#include <netinet/in.h>
#include <string.h>

/* Whether an address is of this host's loopback. */
static bool
is_loopback(const struct sockaddr_storage *sa)
{
	const struct sockaddr_in *in4 = (const void *)sa;
	const struct sockaddr_in6 *in6 = (const void *)sa;

	if (sa->ss_family == AF_INET)
		return ntohl(in4->sin_addr.s_addr) >> 24 == 127;
	if (sa->ss_family != AF_INET6)
		return true;	/* a pipe or a UNIX socket */
	return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr) ||
	    (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) &&
	    in6->sin6_addr.s6_addr[12] == 127);
}

static bool
is_same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return ((const struct sockaddr_in *)(const void *)a)
		    ->sin_addr.s_addr ==
		    ((const struct sockaddr_in *)(const void *)b)
		    ->sin_addr.s_addr;
	return a->ss_family == AF_INET6 && memcmp(
	    &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
	    &((const struct sockaddr_in6 *)(const void *)b)->sin6_addr,
	    sizeof(struct in6_addr)) == 0;
}

bool
capability_is_secured(const struct session *s)
{
	return conn_is_tls(s->conn) || s->is_tls_elsewhere || s->is_trusted ||
	    is_loopback(&s->remote) ||
	    is_same_host(&s->remote, &s->local);
}

bool
capability_login_disabled(const struct session *s)
{
	return !capability_is_secured(s) &&
	    (s->cfg->disable_plaintext_auth || s->cfg->ssl == SSL_REQUIRED);
}

static bool
can_start_tls(const struct session *s)
{
	return s->tls_context != NULL && !conn_is_tls(s->conn) &&
	    !s->is_tls_elsewhere;
}

/* Adds a word unless it is there already: several rows may share one. */
static void
add_word(struct buf *out, size_t from, struct span word)
{
	struct span rest = { out->p + from, out->n - from };

	while (rest.p != NULL)
		if (span_eq(span_cut(&rest, ' '), word))
			return;
	buf_addc(out, ' ');
	buf_add_span(out, word);
}

/* The mechanisms auth offers; those that show the password only when allowed. */
static void
add_mechanisms(const struct session *s, struct buf *out)
{
	struct span all = span_of(login_mechanisms(s)), m;
	const struct mechanism *row;

	while (all.p != NULL) {
		m = span_cut(&all, ' ');
		row = mechanism_find(m);
		if (row == NULL || (capability_login_disabled(s) &&
		    (row->flags & MECHANISM_PLAINTEXT) != 0))
			continue;
		buf_adds(out, " AUTH=");
		buf_add_span(out, m);
	}
}

void
capability_list(const struct session *s, struct buf *out)
{
	const struct command *row;
	size_t from = out->n;
	/*
	 * Clients ask once after login, for what they will use in a mailbox: all
	 * states after login announce the same.
	 */
	unsigned states = s->state == ST_NOAUTH ? ST_NOAUTH : ST_LOGGEDIN;

	buf_adds(out, "IMAP4rev1");
	for (size_t i = 0; (row = command_at(i)) != NULL; i++)
		if ((row->states & states) != 0 && *row->capability != '\0')
			add_word(out, from, span_of(row->capability));
#define EXT(word, in_states, when, source) \
	if (((in_states) & states) != 0 && (when)) \
		add_word(out, from, SPAN(word));
#include "worker/extensions.def"
#undef EXT
	if (s->state == ST_NOAUTH)
		add_mechanisms(s, out);
}

const char *
capability_code(struct session *s)
{
	struct buf list = { 0 };
	const char *code;

	buf_adds(&list, "CAPABILITY ");
	capability_list(s, &list);
	code = arena_cstr(&s->command, buf_span(&list));
	buf_clear(&list);
	return code;
}
