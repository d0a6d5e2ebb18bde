/* Hashes, random bytes, comparison. */
#include "common/digest.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void
digests_are_the_known_ones(void **state)
{
	static const struct {
		const char *name, *data, *hex;
	} cases[] = {
		{ "MD5", "abc", "900150983cd24fb0d6963f7d28e17f72" },
		{ "SHA1", "abc", "a9993e364706816aba3e25717850c26c9cd0d89d" },
		{ "SHA256", "abc", "ba7816bf8f01cfea414140de5dae2223b00361a3"
		    "96177a9cb410ff61f20015ad" },
		{ "SHA512", "abc", "ddaf35a193617abacc417349ae20413112e6fa4e"
		    "89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd"
		    "454d4423643ce80e2a9ac94fa54ca49f" },
		{ "MD5", "", "d41d8cd98f00b204e9800998ecf8427e" },
	};
	unsigned char out[64];
	char hex[129];
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(digest(cases[i].name, span_of(cases[i].data),
		    out, &n), ERR_OK);
		hex_encode(out, n, hex);
		assert_string_equal(hex, cases[i].hex);
	}
	assert_int_equal(digest("MD5", SPAN_NONE, out, &n), ERR_OK);
	assert_int_equal(digest("NOSUCH", SPAN("x"), out, &n), ERR_NOTFOUND);
	assert_int_equal(n, 0);
	assert_int_equal(digest("SHAKE256", SPAN("x"), out, &n), ERR_NOTFOUND);
}

static void
secrets_are_equal_only_when_they_are(void **state)
{
	(void)state;
	assert_true(secret_eq(SPAN("hunter2"), SPAN("hunter2")));
	assert_false(secret_eq(SPAN("hunter2"), SPAN("hunter3")));
	assert_false(secret_eq(SPAN("hunter2"), SPAN("hunter")));
	assert_false(secret_eq(SPAN("hunter"), SPAN("hunter2")));
	assert_false(secret_eq(SPAN(""), SPAN("x")));
	assert_true(secret_eq(SPAN_NONE, SPAN("")));
}

static void
random_bytes_fill_all_and_differ(void **state)
{
	unsigned char a[100000] = { 0 }, b[100000] = { 0 };
	unsigned count[256] = { 0 };

	(void)state;
	random_bytes(a, sizeof(a));
	random_bytes(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	for (size_t i = 0; i < sizeof(a); i++)
		count[a[i]]++;
	for (size_t i = 0; i < 256; i++)
		assert_in_range(count[i], 200, 600);
	random_bytes(a, 0);
}

static void
wiped_memory_is_zero(void **state)
{
	char p[] = "secret";

	(void)state;
	secret_wipe(p, 6);
	assert_memory_equal(p, "\0\0\0\0\0\0", 7);
	secret_wipe(NULL, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_are_the_known_ones),
		cmocka_unit_test(secrets_are_equal_only_when_they_are),
		cmocka_unit_test(random_bytes_fill_all_and_differ),
		cmocka_unit_test(wiped_memory_is_zero),
	};

	return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
