import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hashPassword, highestCost, isPassword, parseHtpasswd, withUser } from '../../src/serve/htpasswd.js';
import { Logins } from '../../src/serve/logins.js';
import { setPassword } from '../../src/serve/password-file.js';
import { isVarveError } from '../errors/expect-error.js';
import { htpasswd } from './htpasswd.js';
import { ask, create, scratchDirectory, startServer, until } from './running.js';

/** The password "secret", as `htpasswd -nbB -C 5` and `htpasswd -nbs` hash it. */
const BY_APACHE = {
  bcrypt: '$2y$05$ijmLDX6.QktrItFqsCHZ2.g8m6ToVAMhfvxfkuAAnn.NvoQCvTl46',
  sha: '{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=',
};

const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;

test('isPassword verifies a password when Apache, another program or varve hashed it', async () => {
  for (const stored of [...Object.values(BY_APACHE), await hashPassword('secret')]) {
    assert.equal(await isPassword('secret', stored, 10), true, stored);
    assert.equal(await isPassword('Secret', stored, 10), false, stored);
    assert.equal(await isPassword('', stored, 10), false, stored);
  }
  assert.equal(await isPassword('secret', undefined, 10), false);
  await assert.rejects(hashPassword('ü'.repeat(37)), isVarveError('usage', /72 bytes/));
});

test('isPassword does the same work when the hash has another cost or the user does not exist', async () => {
  const users = new Map([
    ['slow', await hashPassword('secret')],
    ['fast', BY_APACHE.bcrypt],
    ['sha', BY_APACHE.sha],
  ]);
  const highest = highestCost(users);
  assert.equal(highest, 10);
  assert.equal(highestCost(new Map([['sha', BY_APACHE.sha]])), 4);
  const processorTime = async (stored: string | undefined): Promise<number> => {
    const before = process.cpuUsage();
    for (let count = 0; count < 3; count++) await isPassword('wrong', stored, highest);
    const { user, system } = process.cpuUsage(before);
    return user + system;
  };
  const reference = await processorTime(users.get('slow'));
  for (const stored of [users.get('fast'), users.get('sha'), undefined]) {
    const ratio = (await processorTime(stored)) / reference;
    assert.ok(ratio > 0.4 && ratio < 2.5, `${stored}: ${ratio} of the time`);
  }
});

test('parseHtpasswd and withUser keep the other lines when a file has several', () => {
  const ignored: string[] = [];
  const text = `# users\n\nanna:${BY_APACHE.bcrypt}\r\neve:$apr1$abc$defghijklmnopqrstuvwxyz\nbob:plain\nx\n:${BY_APACHE.sha}\nweb1:${BY_APACHE.sha}\n`;
  const users = parseHtpasswd(text, (user) => ignored.push(user));
  assert.deepEqual([...users.keys()], ['anna', 'web1']);
  assert.deepEqual(ignored, ['eve', 'bob', 'x', '']);
  assert.equal(withUser('a:1\nb:2', 'a', '3'), 'a:3\nb:2\n');
  assert.equal(withUser('a:1\n', 'aa', '3'), 'a:1\naa:3\n');
});

test('serve answers 401 when the login is missing or wrong', async () => {
  const server = await startServer({ users: { anna: 'sec:ret', Jürgen: 'pässword' } });
  await create(server, '/', { as: 'anna:sec:ret' });
  await create(server, '/', { as: 'Jürgen:pässword' });
  const wrong = [
    undefined,
    '',
    'Basic',
    'Basic ',
    'Basic !!!',
    basic('anna'),
    basic('anna:'),
    basic('anna:sec'),
    basic('eve:sec:ret'),
    basic(':'),
    `Bearer x`,
    `Basic ${'A'.repeat(5000)}`,
  ];
  for (const authorization of wrong) {
    const headers: Record<string, string> = authorization === undefined ? {} : { Authorization: authorization };
    const answer = await ask(server, 'GET', '/keys/', { headers });
    assert.equal(answer.status, 401, authorization);
    assert.match(answer.headers['www-authenticate'] ?? '', /^Basic realm=/);
    assert.equal((await ask(server, 'GET', '/../etc/passwd', { headers })).status, 401, 'before the path is checked');
  }
});

test('Logins verifies a right password once, and again when its line in the file changes', async () => {
  let users = new Map([['anna', 'hash of secret']]);
  let compared = 0;
  const logins = new Logins(
    () => users,
    async (password, stored) => {
      compared++;
      return stored === `hash of ${password}`;
    },
  );
  for (let count = 0; count < 10; count++) assert.equal(await logins.userOf(basic('anna:secret'), ''), 'anna');
  assert.equal(compared, 1);
  await assert.rejects(logins.userOf(basic('anna:wrong'), ''), { status: 401 });
  await assert.rejects(logins.userOf(basic('anna:wrong'), ''), { status: 401 });
  assert.equal(compared, 3, 'a wrong password is verified again');
  users = new Map([['anna', 'hash of other']]);
  await assert.rejects(logins.userOf(basic('anna:secret'), ''), { status: 401 });
  users = new Map();
  await assert.rejects(logins.userOf(basic('anna:secret'), ''), { status: 401 });
});

test('Logins shares one verification between equal logins, and keeps slots free when many wrong ones wait', async () => {
  let compared = 0;
  let answer: () => void = () => undefined;
  const answered = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const logins = new Logins(
    () => new Map([['anna', 'secret']]),
    async (password, stored) => {
      compared++;
      if (password !== 'first') await answered;
      return password === stored || password === 'first';
    },
  );
  const attempt = (text: string, address: string): Promise<unknown> =>
    logins.userOf(basic(text), address).catch(({ status }) => status);
  assert.equal(await attempt('anna:first', '192.0.2.1'), 'anna');
  const ofUser = Array.from({ length: 5 }, (_, at) => attempt(`anna:wrong ${at}`, '198.51.100.1'));
  assert.equal(await ofUser[4], 503, 'for one user from one address');
  const ofAddress = Array.from({ length: 13 }, (_, at) => attempt(`name${at}:wrong`, '198.51.100.1'));
  assert.equal(await ofAddress[12], 503, 'from one address');
  const unknown = Array.from({ length: 33 }, (_, at) => attempt(`eve:wrong ${at}`, `198.51.100.${100 + at}`));
  for (let at = 0; at < 33; at++) unknown.push(attempt(`other${at}:wrong`, `203.0.113.${at}`));
  assert.equal(await unknown.at(-1), 503, 'from addresses without a successful login');
  const right = Array.from({ length: 200 }, () => attempt('anna:secret', '192.0.2.1'));
  const before = compared;
  answer();
  assert.deepEqual(new Set(await Promise.all(right)), new Set(['anna']));
  assert.equal(before, 1 + 48 + 1);
});

test('serve reads the password file again when it changes, and keeps its users when it cannot be read', async () => {
  const server = await startServer({ users: { anna: 'old' } });
  const path = join(server.root, '.htpasswd');
  const status = async (as: string): Promise<number> => (await ask(server, 'HEAD', '/config', { as })).status;
  assert.equal(await status('anna:old'), 404);
  await setPassword(path, 'anna', 'new');
  await until(async () => (await status('anna:new')) === 404, 'the new password works');
  assert.equal(await status('anna:old'), 401);
  writeFileSync(path, htpasswd({ eve: 'e' }));
  await until(async () => (await status('anna:new')) === 401, 'anna was removed');
  rmSync(path);
  mkdirSync(path);
  await until(
    async () => (await status('eve:e')) === 404 && server.notices.length > 0,
    'the unreadable file is reported',
  );
  assert.match(server.notices[0] ?? '', /cannot read .*\.htpasswd/);
  assert.equal(await status('eve:e'), 404);
});

test('setPassword adds and changes users, and refuses names when they are not valid', async () => {
  const path = join(scratchDirectory(), 'users');
  await setPassword(path, 'anna', 'one');
  await setPassword(path, 'eve', 'two');
  await setPassword(path, 'anna', 'three');
  const server = await startServer({ passwordFile: path });
  assert.equal(server.server.users, 2);
  assert.equal((await ask(server, 'HEAD', '/config', { as: 'anna:three' })).status, 404);
  assert.equal((await ask(server, 'HEAD', '/config', { as: 'anna:one' })).status, 401);
  for (const user of ['', 'a:b', '../x', '.', 'a/b', 'a\nb', 'data'])
    await assert.rejects(setPassword(path, user, 'x'), isVarveError('usage', /is not a valid user name/));
});
