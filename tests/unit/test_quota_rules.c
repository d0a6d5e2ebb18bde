/* Settings of quotas in both dialects, and the limits that they make. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "common/quota_rules.h"

enum { K = 1024, M = 1024 * 1024 };

/* "name=value" each, up to NULL. */
static struct quota_setting *
settings(struct quota_setting *room, const char *const *words)
{
	static char text[20][200];
	size_t i = 0;

	for (; words[i] != NULL; i++) {
		char *value;

		snprintf(text[i], sizeof(text[i]), "%s", words[i]);
		value = strchr(text[i], '=');
		*value++ = '\0';
		room[i] = (struct quota_setting){ NULL, text[i], value };
		if (i > 0)
			room[i - 1].next = &room[i];
	}
	return i == 0 ? NULL : room;
}

#define SETTINGS(...) settings((struct quota_setting[20]){ 0 }, \
	(const char *const[]){ __VA_ARGS__ __VA_OPT__(,) NULL })

static struct arena a;

static struct quota
read_good(const struct quota_setting *set)
{
	const char *name, *why;
	struct quota q;

	assert_int_equal(quota_rules_read(set, &a, &q, &name, &why), ERR_OK);
	assert_null(why);
	return q;
}

static void
check(const struct quota *q, const char *mailbox, uint64_t bytes,
    uint64_t messages)
{
	struct quota_limits l = quota_rules_limits(q, q->bytes, q->messages,
	    span_of(mailbox));

	assert_int_equal(l.bytes, bytes);
	assert_int_equal(l.messages, messages);
}

static void
rules_of_2_3(void **state)
{
	struct quota q = read_good(SETTINGS("quota=maildir:User quota",
	    "quota_rule=*:storage=1M:messages=1000",
	    "quota_rule2=Trash:storage=+100M", "quota_rule3=Junk:ignore",
	    "quota_rule4=Lists.*:storage=+10%%:messages=-10%",
	    "quota_rule5=Sm?ll:bytes=-2000000",
	    "quota_rule7=Never:ignore"));

	(void)state;
	assert_true(q.is_on && q.maildirsize && q.enforce && q.ignores);
	assert_false(q.limits_from_file || q.hidden);
	assert_string_equal(q.name, "User quota");
	check(&q, "INBOX", M, 1000);
	check(&q, "Trash", 101 * M, 1000);
	check(&q, "Lists.a.b", M + M / 10, 900);
	/* None at all: 0 would mean no limit. */
	check(&q, "Small", 1, 1000);
	check(&q, "Smll", M, 1000);
	assert_true(quota_rules_limits(&q, 1, 1, SPAN("Junk")).ignored);
	/* After a gap in the numbers nothing is read, as with Dovecot. */
	assert_false(quota_rules_limits(&q, 1, 1, SPAN("Never")).ignored);
}

static void
later_ones_count(void **state)
{
	struct quota q = read_good(SETTINGS("quota=count:x",
	    "quota_rule=*:storage=10", "quota_rule2=Trash:storage=+1k",
	    "quota_rule=*:bytes=5T:messages=0"));

	(void)state;
	check(&q, "INBOX", 5ULL * K * K * K * K, 0);
	check(&q, "Trash", 5ULL * K * K * K * K + K, 0);
	assert_false(q.maildirsize);
	q = read_good(SETTINGS("quota=maildir:x", "quota_rule=?:storage=10"));
	assert_true(q.limits_from_file);
	check(&q, "INBOX", 10 * K, 0);
	q = read_good(SETTINGS("quota=maildir::noenforcing:hidden"));
	assert_true(q.limits_from_file && q.hidden && !q.enforce);
	assert_string_equal(q.name, "");
	/* No limit stays none, whatever is allowed beyond it. */
	check(&q, "INBOX", 0, 0);
	assert_false(read_good(NULL).is_on);
	assert_false(read_good(SETTINGS("quota_rule=*:storage=1")).is_on);
}

static void
settings_of_2_4(void **state)
{
	struct quota q = read_good(SETTINGS("quota=count:User quota",
	    "quota_storage_size=10 MB", "quota_storage_percentage=50",
	    "quota_storage_extra=1k", "quota_message_count=7",
	    "quota_storage_grace=3k", "quota_mail_size=2M",
	    "quota_exceeded_message=Full.", "quota_full_tempfail=yes"));
	const char *name, *why;

	(void)state;
	assert_int_equal(quota_rules_add(&q, "Trash",
	    SETTINGS("quota_storage_percentage=110",
	    "quota_message_percentage=200"), &a, &name, &why), ERR_OK);
	assert_int_equal(quota_rules_add(&q, "Big",
	    SETTINGS("quota_storage_extra=1M"), &a, &name, &why), ERR_OK);
	assert_int_equal(quota_rules_add(&q, "Junk",
	    SETTINGS("quota_ignore=yes"), &a, &name, &why), ERR_OK);
	check(&q, "INBOX", 5 * M + K, 7);
	check(&q, "Trash", (5 * M + K) * 11 / 10, 14);
	check(&q, "Big", 6 * M + K, 7);
	assert_true(q.ignores);
	assert_int_equal(q.grace_bytes, 3 * K);
	assert_int_equal(q.grace_percent, 0);
	assert_int_equal(q.max_mail_bytes, 2 * M);
	assert_string_equal(q.exceeded, "Full.");
	assert_true(q.tempfail);
	q = read_good(SETTINGS("quota=count:x", "quota_storage_size=unlimited",
	    "quota_storage_extra=5M"));
	assert_false(q.limits_from_file);
	check(&q, "INBOX", 0, 0);
}

static void
grace(void **state)
{
	struct quota q = read_good(SETTINGS("quota=count:x"));

	(void)state;
	assert_int_equal(q.grace_percent, 10);
	q = read_good(SETTINGS("quota=count:x", "quota_grace=20%%"));
	assert_int_equal(q.grace_percent, 20);
	q = read_good(SETTINGS("quota=count:x", "quota_grace=50M"));
	assert_int_equal(q.grace_percent, 0);
	assert_int_equal(q.grace_bytes, 50 * M);
}

static void
mistakes(void **state)
{
	static const char *const bad[] = {
		"quota=fs:Disk", "quota=nonsense:x", "quota=count:x:ns=Public/",
		"quota_rule=*", "quota_rule=:storage=1", "quota_rule=*:size=1",
		"quota_rule=*:storage", "quota_rule=*:storage=1Q",
		"quota_rule=*:storage=-1", "quota_rule=*:storage=10%",
		"quota_rule=*:ignore", "quota_rule=*:messages=1k",
		"quota_rule=*:bytes=9223372036854775808",
		"quota_rule=*:bytes=9223372036854775807k",
		"quota_rule=T:bytes=-100%", "quota_grace=-1",
		"quota_storage_size=1X", "quota_storage_size=-1",
		"quota_message_count=1k", "quota_full_tempfail=perhaps",
		"quota_storage_percentage=50%",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		const char *name, *why;
		struct quota q;

		assert_int_equal(quota_rules_read(SETTINGS("quota=count:x",
		    bad[i]), &a, &q, &name, &why), ERR_SYNTAX);
		assert_non_null(why);
		assert_memory_equal(name, bad[i], strlen(name));
	}
}

static void
names(void **state)
{
	(void)state;
	assert_true(quota_rules_has("quota_rule"));
	assert_true(quota_rules_has("quota_rule12"));
	assert_true(quota_rules_has("quota_storage_size"));
	assert_false(quota_rules_has("quota_rules"));
	assert_false(quota_rules_has("quota_warning"));
	assert_false(quota_rules_has("quota2"));
	assert_true(quota_rules_has_mailbox("quota_ignore"));
	assert_false(quota_rules_has_mailbox("quota_storage_size"));
}

static int
forget(void **state)
{
	(void)state;
	arena_free(&a);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(rules_of_2_3, forget),
		cmocka_unit_test_teardown(later_ones_count, forget),
		cmocka_unit_test_teardown(settings_of_2_4, forget),
		cmocka_unit_test_teardown(grace, forget),
		cmocka_unit_test_teardown(mistakes, forget),
		cmocka_unit_test_teardown(names, forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
