// One session with imapflow; prints what it saw as JSON.
'use strict';
const { ImapFlow } = require('imapflow');
const [port, security, user, pass] = process.argv.slice(2);

async function main() {
	const client = new ImapFlow({
		host: '127.0.0.1', port: Number(port), secure: security === 'tls',
		doSTARTTLS: security === 'starttls' ? true : security === 'plain' ? false : undefined,
		auth: { user, pass }, tls: { rejectUnauthorized: false }, logger: false
	});
	const seen = { events: [] };
	client.on('exists', e => seen.events.push(['exists', e.path, e.count]));
	client.on('expunge', e => seen.events.push(['expunge', e.path, e.seq]));
	await client.connect();
	seen.secure = client.secureConnection;
	seen.folders = (await client.list()).map(f => [f.path, f.specialUse || null]);
	await client.mailboxCreate(['Birds', 'Größe']);
	const lock = await client.getMailboxLock('INBOX');
	try {
		seen.exists = client.mailbox.exists;
		const added = await client.append('INBOX',
			'From: a@example.org\r\nSubject: =?utf-8?B?w7w=?=\r\n\r\nhello\r\n',
			['\\Seen', '$Label1'], new Date('2024-01-02T03:04:05Z'));
		seen.appended = added.uid;
		seen.subjects = [];
		for await (const m of client.fetch('1:*', { uid: true, envelope: true,
			flags: true, internalDate: true, bodyStructure: true, size: true }))
			seen.subjects.push([m.uid, m.envelope.subject, [...m.flags].sort(),
				m.size, m.bodyStructure.type]);
		const one = await client.fetchOne(String(added.uid), { source: true }, { uid: true });
		seen.source = one.source.toString();
		seen.found = await client.search({ subject: 'Message 2' }, { uid: true });
		await client.messageFlagsAdd({ uid: '1' }, ['\\Flagged'], { uid: true });
		const moved = await client.messageMove({ uid: '2:3' }, 'Birds/Größe', { uid: true });
		seen.moved = [...moved.uidMap.entries()];
		await client.messageDelete({ uid: '4' }, { uid: true });
		seen.left = await client.search({ all: true }, { uid: true });
		seen.status = await client.status('Birds/Größe', { messages: true, uidNext: true });
	} finally {
		lock.release();
	}
	await client.logout();
	console.log(JSON.stringify(seen));
}
main().catch(e => { console.error(e); process.exit(1); });
