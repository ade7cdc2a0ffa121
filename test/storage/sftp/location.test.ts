import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commandFor, parseLocation, type SftpLocation } from '../../../src/storage/sftp/location.js';
import { isVarveError } from '../../errors/expect-error.js';
import { settings } from '../transport/settings.js';

test('parseLocation agrees with restic', () => {
  const places: [string, SftpLocation][] = [
    ['user@host:/srv/backup', { user: 'user', host: 'host', path: '/srv/backup' }],
    ['user@host:backup/here/', { user: 'user', host: 'host', path: 'backup/here' }],
    ['alias:/srv/backup//', { host: 'alias', path: '/srv/backup' }],
    ['user@domain@host:/x', { user: 'user@domain', host: 'host', path: '/x' }],
    ['[2001:db8::1]:/x', { host: '2001:db8::1', path: '/x' }],
    ['user@[::1]:/x:y@z', { user: 'user', host: '::1', path: '/x:y@z' }],
    ['host:/', { host: 'host', path: '/' }],
    ['//user@host:2222//srv/backup', { user: 'user', host: 'host', port: '2222', path: '/srv/backup' }],
    ['//host/backup', { host: 'host', path: 'backup' }],
    ['//user%40domain@[::1]:22//with%20space', { user: 'user@domain', host: '::1', port: '22', path: '/with space' }],
  ];
  for (const [text, wanted] of places) {
    const { user, host, port, path } = parseLocation(text);
    const found = { ...(user !== undefined && { user }), host, ...(port !== undefined && { port }), path };
    assert.deepEqual(found, wanted, text);
  }
});

test('an invalid location is refused with the reason', () => {
  const cases: [string, RegExp][] = [
    ['host', /sftp:USER@HOST:\/PATH/],
    ['', /sftp:USER@HOST:\/PATH/],
    ['host:', /the directory is missing/],
    ['//host', /the directory is missing/],
    ['//host/', /the directory is missing/],
    [':/x', /"" is not a valid host/],
    ['@host:/x', /"" is not a valid user/],
    ['-oProxyCommand=evil:/x', /"-oProxyCommand=evil" is not a valid host/],
    ['//-oProxyCommand=evil//x', /is not a valid host/],
    ['-x@host:/x', /"-x" is not a valid user/],
    ['//%2dx@host//x', /"-x" is not a valid user/],
    ['//a%0ab@host//x', /is not a valid user/],
    ['ho st:/x', /is not a valid host/],
    ['host:~/backup', /~ does not work there/],
    ['//host:0//x', /"0" is not a port/],
    ['//host:22a//x', /"22a" is not a port/],
    ['//host//%zz', /write %25/],
    ['//host//a%00b', /NUL/],
  ];
  for (const [text, wanted] of cases) assert.throws(() => parseLocation(text), isVarveError('usage', wanted), text);
});

test('a password in the location is refused and not shown', () => {
  for (const place of ['//user:secret@host//x', 'user:secret@host:/x', 'user:sec@ret@host:/x'])
    assert.throws(
      () => parseLocation(place),
      (error) => isVarveError('usage', /ssh asks for it/)(error) && !/sec|ret/.test((error as Error).message),
      place,
    );
});

test('no part of a location can act as an option of ssh', () => {
  const command = (text: string, ...extended: [string, string][]): string[] =>
    commandFor(parseLocation(text), settings({ extended: new Map(extended) })).filter((word) => !word.startsWith('-o'));
  assert.deepEqual(command('//user@host:22//x'), ['ssh', '-p', '22', '-l', 'user', '-s', '--', 'host', 'sftp']);
  assert.deepEqual(command('host:/x', ['sftp.args', `-J jump -i 'a key'`]), [
    ...['ssh', '-J', 'jump', '-i', 'a key', '-s', '--', 'host', 'sftp'],
  ]);
  assert.deepEqual(command('host:/x', ['sftp.command', 'run "$HOME;x" -s']), ['run', '$HOME;x', '-s']);
  assert.throws(
    () => command('host:/x', ['sftp.command', ' ']),
    isVarveError('usage', /sftp\.command: the command is missing/),
  );
  assert.throws(() => command('host:/x', ['sftp.args', `'x`]), isVarveError('usage', /sftp\.args: the quote/));
  assert.throws(() => command('host:/x', ['sftp.args', 'x'], ['sftp.command', 'y']), isVarveError('usage', /exclude/));
});
