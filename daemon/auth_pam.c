/* A password checked by PAM, in a process that asks the system (auth_system.c). */
#include "daemon/auth.h"

#include "common/log.h"

#include <security/pam_appl.h>
#include <stdlib.h>
#include <string.h>

static struct pam_response *
answers_to(const struct pam_message **msg, int n, const struct auth_question *q)
{
	struct pam_response *r = calloc((size_t)n, sizeof(*r));

	for (int i = 0; r != NULL && i < n; i++) {
		if (msg[i]->msg_style == PAM_PROMPT_ECHO_OFF)
			r[i].resp = strdup(q->password);
		else if (msg[i]->msg_style == PAM_PROMPT_ECHO_ON)
			r[i].resp = strdup(q->user);
	}
	return r;
}

/* PAM frees what it gets. */
static int
converse(int n, const struct pam_message **msg, struct pam_response **out,
    void *ctx)
{
	if (n <= 0 || n > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	*out = answers_to(msg, n, ctx);
	return *out == NULL ? PAM_BUF_ERR : PAM_SUCCESS;
}

/* Failures are told after auth's own delay; here it would hold others up. */
static void
do_not_wait(int status, unsigned usec, void *ctx)
{
	(void)status;
	(void)usec;
	(void)ctx;
}

static enum err
verdict_of(int status)
{
	switch (status) {
	case PAM_SUCCESS:
		return ERR_OK;
	case PAM_USER_UNKNOWN:
		return ERR_NOTFOUND;
	case PAM_AUTH_ERR:
	case PAM_PERM_DENIED:
	case PAM_MAXTRIES:
	case PAM_ACCT_EXPIRED:
	case PAM_NEW_AUTHTOK_REQD:
		return ERR_AUTH;
	default:
		return ERR_UNAVAIL;
	}
}

static int
start_pam(const struct auth_question *q, const struct pam_conv *conv,
    pam_handle_t **pam)
{
#ifdef LOFT_TEST_HOOKS
	const char *dir = getenv("LOFT_PAM_DIR");

	if (dir != NULL)
		return pam_start_confdir(q->service, q->user, conv, dir, pam);
#endif
	return pam_start(q->service, q->user, conv, pam);
}

enum err
auth_pam_ask(const struct auth_question *q)
{
	/* The context comes back as it is. */
	struct pam_conv conv = { converse, (void *)(uintptr_t)q };
	union { void (*f)(int, unsigned, void *); const void *p; } delay = {
		.f = do_not_wait,
	};
	pam_handle_t *pam = NULL;
	int status = start_pam(q, &conv, &pam);

	if (status != PAM_SUCCESS) {
		log_error("pam: service %s cannot be used: %s",
		    log_text(span_of(q->service)), pam_strerror(pam, status));
		return ERR_UNAVAIL;
	}
	(void)pam_set_item(pam, PAM_RHOST, q->remote);
	/* What fail2ban looks for in pam_unix's own line. */
	(void)pam_set_item(pam, PAM_TTY, "dovecot");
	(void)pam_set_item(pam, PAM_RUSER, q->user);
	(void)pam_set_item(pam, PAM_FAIL_DELAY, delay.p);
	if ((status = pam_authenticate(pam, 0)) == PAM_SUCCESS &&
	    (status = pam_acct_mgmt(pam, 0)) != PAM_SUCCESS)
		log_info("pam(%s,%s): pam_acct_mgmt() failed: %s",
		    log_text(span_of(q->user)), q->remote,
		    pam_strerror(pam, status));
	else if (verdict_of(status) == ERR_UNAVAIL)
		log_error("pam(%s,%s): pam_authenticate() failed: %s",
		    log_text(span_of(q->user)), q->remote,
		    pam_strerror(pam, status));
	pam_end(pam, status);
	return verdict_of(status);
}
