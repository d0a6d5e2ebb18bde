/* Memory freed all at once. */
#include "common/arena.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void
memory_is_zeroed_aligned_and_apart(void **state)
{
	struct arena a = { 0 };
	unsigned char *p[200];

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < 200; i++) {
			size_t n = i * 7 % 300;

			p[i] = arena_alloc(&a, n);
			assert_int_equal((uintptr_t)p[i] %
			    _Alignof(max_align_t), 0);
			for (size_t j = 0; j < n; j++)
				assert_int_equal(p[i][j], 0);
			memset(p[i], (int)i, n);
		}
		for (size_t i = 0; i < 200; i++)
			for (size_t j = 0; j < i * 7 % 300; j++)
				assert_int_equal(p[i][j], (unsigned char)i);
		arena_clear(&a);
		assert_int_equal(a.used_bytes, 0);
	}
	arena_free(&a);
	assert_null(a.head);
}

static void
nothing_has_an_address_of_its_own(void **state)
{
	struct arena a = { 0 };

	(void)state;
	assert_ptr_not_equal(arena_alloc(&a, 0), arena_alloc(&a, 0));
	arena_free(&a);
	arena_free(&a);
	arena_clear(&a);
}

static void
clear_keeps_one_small_chunk_and_no_large_one(void **state)
{
	struct arena a = { 0 };
	void *first = arena_alloc(&a, 10);
	struct arena_chunk *kept = a.head;

	(void)state;
	arena_alloc(&a, 3 << 20);
	arena_alloc(&a, 100000);
	assert_ptr_not_equal(a.head, kept);
	arena_clear(&a);
	assert_ptr_equal(a.head, kept);
	/* The same memory again, and no malloc for it. */
	assert_ptr_equal(arena_alloc(&a, 10), first);
	assert_true(malloc_usable_size(a.head) <= 4096);
	arena_clear(&a);
	arena_free(&a);
	/* A large chunk alone is given back. */
	arena_alloc(&a, 100000);
	arena_clear(&a);
	assert_null(a.head);
	arena_free(&a);
}

static void
many_small_pieces_take_few_chunks(void **state)
{
	struct arena a = { 0 };
	struct arena_chunk *last = NULL;
	unsigned chunks = 0;

	(void)state;
	for (size_t i = 0; i < 100000; i++) {
		arena_alloc(&a, 32);
		chunks += a.head != last;
		last = a.head;
	}
	assert_in_range(chunks, 5, 14);
	assert_int_equal(a.used_bytes, 3200000);
	arena_free(&a);
}

static void
copies_are_copies(void **state)
{
	struct arena a = { 0 };
	char text[] = "hello";
	struct span s = arena_span(&a, span_of(text));
	char *z = arena_cstr(&a, (struct span){ text, 4 });
	char *f = arena_printf(&a, "%s-%d", text, 42);

	(void)state;
	memset(text, 'x', 5);
	assert_true(span_eq(s, SPAN("hello")));
	assert_string_equal(z, "hell");
	assert_string_equal(f, "hello-42");
	assert_string_equal(arena_cstr(&a, SPAN_NONE), "");
	assert_non_null(arena_dup(&a, NULL, 0));
	arena_free(&a);
}

/* Whether f ends its process as fatal() does. */
static bool
is_fatal(void (*f)(struct arena *))
{
	struct arena a = { 0 };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		close(STDERR_FILENO);
		f(&a);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 75;
}

static void
overflow_array(struct arena *a)
{
	arena_array(a, SIZE_MAX / 2, 3);
}

static void
overflow_size(struct arena *a)
{
	arena_alloc(a, SIZE_MAX - 3);
}

static void
sizes_that_overflow_are_fatal(void **state)
{
	struct arena a = { 0 };

	(void)state;
	assert_true(is_fatal(overflow_array));
	assert_true(is_fatal(overflow_size));
	assert_non_null(arena_array(&a, 3, 5));
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_zeroed_aligned_and_apart),
		cmocka_unit_test(nothing_has_an_address_of_its_own),
		cmocka_unit_test(clear_keeps_one_small_chunk_and_no_large_one),
		cmocka_unit_test(many_small_pieces_take_few_chunks),
		cmocka_unit_test(copies_are_copies),
		cmocka_unit_test(sizes_that_overflow_are_fatal),
	};

	return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
