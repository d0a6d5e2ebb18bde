/*
 * Loft's own code for the files that it shares with Dovecot, as a program for
 * tests:
 *
 *   mailfiles uidlist DIR                print it: head, then "<uid> <name>"
 *   mailfiles new DIR VALIDITY FLOOR NAME...   write one, UIDs 1, 2 ...
 *   mailfiles append DIR NAME...         under the lock, from the next UID on
 *   mailfiles rewrite DIR FLOOR          under the lock, with another floor
 *   mailfiles hold DIR                   lock, say "held", unlock at end
 *   mailfiles keywords DIR [NAME...]     write them, or print "<n> <name>"
 *   mailfiles subs DIR [+NAME|-NAME...]  change, then print all
 *   mailfiles validity DIR               print the next UIDVALIDITY
 */
#include "maildir/flags.h"
#include "maildir/subs.h"
#include "maildir/uidlist.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"

static struct arena arena;

static void
must(enum err e, const char *what)
{
	if (e != ERR_OK)
		fatal("%s: %s", what, err_name(e));
}

static struct uidlist_entry *
entries(char **names, int n, uint32_t first)
{
	struct uidlist_entry *e = arena_array(&arena, (size_t)n + 1, sizeof *e);

	for (int i = 0; i < n; i++) {
		e[i].uid = first + (uint32_t)i;
		e[i].base = span_of(names[i]);
	}
	return e;
}

static void
print_uidlist(int dir)
{
	struct uidlist l;

	must(uidlist_read(dir, &l), "read");
	printf("%u %u %s %llu %.*s\n", l.uidvalidity, l.next_uid, l.guid,
	    (unsigned long long)l.modseq_floor, (int)l.other.n, l.other.p);
	for (size_t i = 0; i < l.n; i++)
		printf("%u %.*s\n", l.entry[i].uid, (int)l.entry[i].base.n,
		    l.entry[i].base.p);
	uidlist_clear(&l);
}

static void
change_uidlist(int dir, const char *verb, char **words, int n)
{
	struct uidlist l = { 0 };

	must(uidlist_lock(dir), "lock");
	if (strcmp(verb, "new") == 0) {
		l.uidvalidity = (uint32_t)strtoul(words[0], NULL, 10);
		l.modseq_floor = strtoull(words[1], NULL, 10);
		must(uidlist_write(dir, &l, entries(words + 2, n - 2, 1),
		    (size_t)n - 2, true), "write");
	} else if (strcmp(verb, "append") == 0) {
		must(uidlist_read(dir, &l), "read");
		must(uidlist_append(dir, &l, entries(words, n, l.next_uid),
		    (size_t)n, true), "append");
	} else {
		must(uidlist_read(dir, &l), "read");
		l.modseq_floor = strtoull(words[0], NULL, 10);
		must(uidlist_write(dir, &l, l.entry, l.n, true), "write");
	}
	uidlist_unlock(dir);
	uidlist_clear(&l);
}

static void
keywords(int dir, char **words, int n)
{
	struct keywords k = { 0 };
	int number;

	for (int i = 0; i < n; i++)
		must(keywords_add(&k, &arena, span_of(words[i]), &number), "add");
	if (n > 0)
		must(keywords_write(dir, &k, true), "write");
	must(keywords_read(dir, &arena, &k), "read");
	for (unsigned i = 0; i < k.n; i++)
		printf("%u %.*s\n", i, (int)k.name[i].n, k.name[i].p);
}

static void
subs(int dir, char **words, int n)
{
	struct span *names;
	size_t count;
	bool changed;

	for (int i = 0; i < n; i++)
		must(subs_set(dir, span_of(words[i] + 1), words[i][0] == '+',
		    true, &changed), "set");
	must(subs_read(dir, &arena, &names, &count), "read");
	for (size_t i = 0; i < count; i++)
		printf("%.*s\n", (int)names[i].n, names[i].p);
}

int
main(int argc, char **argv)
{
	uint32_t value;
	int dir;

	if (argc < 3 || (dir = open(argv[2], O_RDONLY | O_DIRECTORY)) < 0)
		fatal("usage: mailfiles VERB DIR ...");
	if (strcmp(argv[1], "uidlist") == 0) {
		print_uidlist(dir);
	} else if (strcmp(argv[1], "keywords") == 0) {
		keywords(dir, argv + 3, argc - 3);
	} else if (strcmp(argv[1], "subs") == 0) {
		subs(dir, argv + 3, argc - 3);
	} else if (strcmp(argv[1], "hold") == 0) {
		must(uidlist_lock(dir), "lock");
		puts("held");
		fflush(stdout);
		while (getchar() != EOF)
			;
		uidlist_unlock(dir);
	} else if (strcmp(argv[1], "validity") == 0) {
		must(uidvalidity_next(dir, 0, &value), "next");
		printf("%u\n", value);
	} else {
		change_uidlist(dir, argv[1], argv + 3, argc - 3);
	}
	arena_free(&arena);
	return 0;
}
