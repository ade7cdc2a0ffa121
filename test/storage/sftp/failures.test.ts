import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { explainEnd, type ProgramEnd } from '../../../src/storage/sftp/failures.js';

const end = (said: string, given: Partial<ProgramEnd> = {}): ProgramEnd => ({
  begun: false,
  text: Buffer.alloc(0),
  server: 'user@host',
  login: 'ssh -p 2222 user@host',
  program: 'ssh',
  code: 255,
  said,
  ...given,
});

const CHANGED = `@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!
Offending ED25519 key in /home/user/.ssh/known_hosts:3
Host key verification failed.`;

test('explainEnd turns ssh’s messages into advice and retryability', () => {
  const cases: [string, string, RegExp, boolean][] = [
    [CHANGED, 'storage', /^user@host: its host key has changed.*known_hosts:3/, false],
    [
      'No ED25519 host key is known for host and you have requested strict checking.',
      'storage',
      /is unknown here: log in once with `ssh -p 2222 user@host`/,
      false,
    ],
    ['Host key verification failed.', 'storage', /is unknown here/, false],
    [
      'user@host: Permission denied (publickey,password).',
      'denied',
      /does not let you in. Try `ssh -p 2222 user@host`/,
      false,
    ],
    ['Received disconnect from ::1 port 22:2: Too many authentication failures', 'denied', /does not let/, false],
    ['ssh: Could not resolve hostname host: Name or service not known', 'storage', /the host does not exist/, true],
    ['ssh: connect to host host port 22: Connection refused', 'storage', /connection is refused/, true],
    ['ssh: connect to host host port 22: No route to host', 'storage', /cannot be reached/, true],
    ['ssh: connect to host host port 22: Connection timed out', 'storage', /cannot be reached/, true],
    ['kex_exchange_identification: Connection closed by remote host', 'storage', /closed the connection/, true],
    ['subsystem request failed on channel 0', 'storage', /no SFTP to this account/, false],
    ['Bad owner or permissions on /home/user/.ssh/config', 'storage', /ssh ended with exit code 255.*Bad owner/, false],
    ['', 'storage', /ssh ended with exit code 255 before SFTP began$/, false],
  ];
  for (const [said, code, message, retryable] of cases) {
    const error = explainEnd(end(said));
    assert.equal(error.code, code, said);
    assert.match(error.message, message);
    assert.equal(error.retryable, retryable, said);
    assert.doesNotMatch(error.message, /\n|@@@/);
  }
});

test('explainEnd reports a broken connection once SFTP has begun', () => {
  for (const said of ['', 'client_loop: send disconnect: Broken pipe', 'Timeout, server host not responding.']) {
    const error = explainEnd(end(said, { begun: true }));
    assert.equal(error.retryable, true);
    assert.ok(error.message.startsWith('user@host: the connection broke'));
    assert.ok(error.message.includes(said));
  }
});

test('explainEnd shows ssh’s message short and without control characters', () => {
  const { message } = explainEnd(end(`${'x'.repeat(5000)}\u001b[2J the reason`));
  assert.ok(message.length < 500);
  assert.ok(message.endsWith('the reason'));
  assert.ok(!message.includes('\u001b'));
});
