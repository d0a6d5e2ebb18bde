/* Names of clients to storage names and back. */
#include "worker/namespace.h"

#include "common/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;

static int
clear(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static struct config_namespace
space(const char *prefix, char sep)
{
	return (struct config_namespace){ .label = "x", .type = "private",
	    .prefix = prefix, .separator = sep, .inbox = true, .list = "yes",
	    .location = "" };
}

static void
assert_storage(const struct config *cfg, const char *name, const char *storage)
{
	struct span out;

	assert_int_equal(namespace_to_storage(cfg, span_of(name), &arena,
	    &out), ERR_OK);
	assert_true(span_eq(out, span_of(storage)));
}

static void
assert_error(const struct config *cfg, const char *name, enum err expected)
{
	struct span out = SPAN("x");

	assert_int_equal(namespace_to_storage(cfg, span_of(name), &arena,
	    &out), expected);
}

static void
assert_name(const struct config *cfg, const char *storage, const char *name)
{
	struct buf b = { 0 };

	namespace_from_storage(cfg, span_of(storage), &b);
	assert_string_equal(buf_cstr(&b), name);
	buf_clear(&b);
}

static void
without_configuration_names_are_storage_names(void **state)
{
	struct config cfg = { 0 };

	(void)state;
	assert_storage(&cfg, "a.b", "a.b");
	assert_storage(&cfg, "InBox", "INBOX");
	assert_storage(&cfg, "a.", "a");
	assert_error(&cfg, "", ERR_CANNOT);
	assert_error(&cfg, ".", ERR_CANNOT);
	assert_error(&cfg, "a..b", ERR_CANNOT);
	assert_error(&cfg, "a/b", ERR_CANNOT);
	assert_error(&cfg, "bad&utf7", ERR_CANNOT);
	assert_name(&cfg, "a.b", "a.b");
	assert_int_equal(namespace_separator(&cfg), '.');
}

static void
another_separator_is_put_in_and_out(void **state)
{
	struct config_namespace ns = space("", '/');
	struct config cfg = { .namespaces = &ns };

	(void)state;
	assert_storage(&cfg, "a/b/", "a.b");
	assert_storage(&cfg, "INBOX/", "INBOX");
	assert_storage(&cfg, "INBOX/x", "INBOX.x");
	assert_error(&cfg, "a.b", ERR_CANNOT);
	assert_error(&cfg, "../../etc", ERR_CANNOT);
	assert_error(&cfg, "/a", ERR_CANNOT);
	assert_error(&cfg, "a//b", ERR_CANNOT);
	assert_name(&cfg, "a.b.c", "a/b/c");
	assert_name(&cfg, "INBOX", "INBOX");
}

static void
a_prefix_is_taken_off_and_put_on(void **state)
{
	struct config_namespace ns = space("INBOX.", '.');
	struct config cfg = { .namespaces = &ns };

	(void)state;
	assert_storage(&cfg, "INBOX.Sent", "Sent");
	assert_storage(&cfg, "inbox.Sent", "Sent");
	assert_storage(&cfg, "inbox", "INBOX");
	assert_error(&cfg, "Sent", ERR_NOTFOUND);
	assert_error(&cfg, "INBOX.", ERR_CANNOT);
	/* It must not become a second INBOX. */
	assert_error(&cfg, "INBOX.INBOX", ERR_CANNOT);
	assert_error(&cfg, "INBOX.inbox", ERR_CANNOT);
	assert_name(&cfg, "Sent.2024", "INBOX.Sent.2024");
	assert_name(&cfg, "INBOX", "INBOX");
	ns = space("Mail/", '/');
	assert_storage(&cfg, "Mail/a/b", "a.b");
	assert_error(&cfg, "mail/a", ERR_NOTFOUND);
	assert_name(&cfg, "a.b", "Mail/a/b");
}

static void
only_the_own_tree_is_served(void **state)
{
	struct config_namespace shared = { .label = "s", .type = "shared",
	    .prefix = "Shared/", .separator = '/', .list = "yes",
	    .location = "maildir:/x" };
	struct config_namespace off = { .label = "o", .type = "private",
	    .prefix = "Off/", .separator = '/', .disabled = true,
	    .list = "yes", .location = "", .next = &shared };
	struct config_namespace ns = space("", '/');
	struct config cfg = { .namespaces = &ns };

	(void)state;
	ns.next = &off;
	/* A namespace that is off takes no names away. */
	assert_storage(&cfg, "Off/a", "Off.a");
	assert_true(namespace_inbox(&cfg) == &ns);
	cfg.namespaces = &shared;
	assert_error(&cfg, "Shared/a", ERR_NOTFOUND);
	assert_storage(&cfg, "INBOX", "INBOX");
}

static void
special_use_is_found_by_storage_name(void **state)
{
	struct config_mailbox drafts = { .name = "Entw\xc3\xbcrfe",
	    .special_use = "\\Drafts" };
	struct config_mailbox sent = { .name = "Mine/Sent",
	    .special_use = "\\Sent", .next = &drafts };
	struct config_mailbox plain = { .name = "Plain", .special_use = "",
	    .next = &sent };
	struct config_namespace ns = space("INBOX/", '/');
	struct config cfg = { .namespaces = &ns };

	(void)state;
	ns.mailboxes = &plain;
	assert_string_equal(namespace_special_use(&cfg, SPAN("Mine.Sent")),
	    "\\Sent");
	assert_string_equal(namespace_special_use(&cfg,
	    SPAN("Entw&APw-rfe")), "\\Drafts");
	assert_string_equal(namespace_special_use(&cfg, SPAN("Plain")), "");
	assert_string_equal(namespace_special_use(&cfg, SPAN("Sent")), "");
	assert_string_equal(namespace_special_use(&cfg, SPAN("INBOX")), "");
}

/* ---- mailboxes of others ---- */

static void
assert_found(const struct config *cfg, const char *name, const char *owner,
    const char *storage, const char *subscribed)
{
	const struct config_namespace *ns;
	struct buf b = { 0 };
	struct span who, where;

	assert_int_equal(namespace_find(cfg, span_of(name), &arena, &ns, &who,
	    &where), ERR_OK);
	assert_true(namespace_is_foreign(ns));
	assert_true(span_eq(who, span_of(owner)));
	assert_true(span_eq(where, span_of(storage)));
	namespace_name(ns, who, where, &b);
	assert_string_equal(buf_cstr(&b), name);
	buf_reset(&b);
	namespace_subscribed(ns, who, where, &b);
	assert_string_equal(buf_cstr(&b), subscribed);
	where = arena_span(&arena, buf_span(&b));
	buf_reset(&b);
	assert_true(namespace_from_subscribed(cfg, where, &b));
	assert_string_equal(buf_cstr(&b), name);
	buf_clear(&b);
	/* They are none of ours. */
	assert_error(cfg, name, ERR_NOTFOUND);
}

static void
a_prefix_says_whose_a_mailbox_is(void **state)
{
	struct config_namespace all = { .label = "all", .type = "public",
	    .prefix = "Public/", .separator = '/', .list = "yes",
	    .location = "maildir:/pub" };
	struct config_namespace parts = { .label = "parts", .type = "shared",
	    .prefix = "by/%%d/%%n/", .separator = '/', .list = "yes",
	    .location = "", .next = &all };
	struct config_namespace users = { .label = "users", .type = "shared",
	    .prefix = "shared/%%u/", .separator = '/', .list = "yes",
	    .location = "", .next = &parts };
	struct config_namespace own = space("", '/');
	struct config cfg = { .namespaces = &own };

	(void)state;
	own.next = &users;
	assert_found(&cfg, "shared/anna/Team", "anna", "Team",
	    "shared.anna.Team");
	assert_found(&cfg, "shared/anna@example.org/Team/Sub",
	    "anna@example.org", "Team.Sub", "shared.anna@example/org.Team.Sub");
	assert_found(&cfg, "by/example.org/anna/Team", "anna@example.org",
	    "Team", "by.example/org.anna.Team");
	assert_found(&cfg, "Public/News", "", "News", "Public.News");
	users.prefix = "shared/$user/";
	assert_found(&cfg, "shared/anna/Team", "anna", "Team",
	    "shared.anna.Team");
	assert_int_equal(namespace_number(&cfg, &all), 3);
	assert_true(span_eq(namespace_root(&users), SPAN("shared/")));
	/* No owner, or none that can be: ours, whatever that is. */
	assert_storage(&cfg, "shared/anna", "shared.anna");
	assert_error(&cfg, "shared//Team", ERR_CANNOT);
	users.disabled = true;
	assert_storage(&cfg, "shared/anna/Team", "shared.anna.Team");
}

int
main(void)
{
#define T(f) cmocka_unit_test_teardown(f, clear)
	static const struct CMUnitTest tests[] = {
		T(without_configuration_names_are_storage_names),
		T(another_separator_is_put_in_and_out),
		T(a_prefix_is_taken_off_and_put_on),
		T(only_the_own_tree_is_served),
		T(special_use_is_found_by_storage_name),
		T(a_prefix_says_whose_a_mailbox_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
