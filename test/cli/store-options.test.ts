import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { before, test } from 'node:test';
import { Command } from 'commander';
import { addGlobalOptions, globalOptions } from '../../src/cli/program/global-options.js';
import type { Context } from '../../src/cli/program/shell.js';
import { addFromOptions } from '../../src/cli/repository/from-repository.js';
import { storeSettings } from '../../src/cli/repository/store-settings.js';
import { Output } from '../../src/cli/terminal/output.js';
import type { StoreSettings } from '../../src/storage/settings.js';
import { parseDuration } from '../../src/time/duration.js';
import { isVarveError } from '../errors/expect-error.js';
import { startServer } from '../serve/running.js';
import { Playground } from './varve.js';

const place = new Playground();
before(async () => {
  await place.ok(['init']);
});

/** What is said to which stream. */
function settingsOf(
  args: readonly string[],
  environment: Record<string, string> = {},
): StoreSettings & { err: string } {
  const program = addGlobalOptions(new Command('varve'));
  const command = addFromOptions(addGlobalOptions(program.command('snapshots'))).action(() => undefined);
  program.parse([...args], { from: 'user' });
  const globals = globalOptions(command);
  let err = '';
  const stream = { write: (text: string) => (err += text) } as unknown as NodeJS.WriteStream;
  const output = new Output(globals.json === true, globals.quiet === true ? 0 : 1, stream, stream);
  const context = { globals, environment, output, signal: new AbortController().signal } as unknown as Context;
  return Object.defineProperty({ ...storeSettings(context), err }, 'err', { get: () => err });
}

test('what is not said has its default', () => {
  const settings = settingsOf(['snapshots']);
  assert.equal(settings.idleTimeoutSeconds, 300);
  assert.equal(settings.retrySeconds, 900);
  assert.equal(settings.extended.size, 0);
  for (const name of [
    'connections',
    'uploadLimit',
    'downloadLimit',
    'caCertificate',
    'insecureTls',
    'onDebug',
    'lockSeconds',
  ] as const)
    assert.equal(settings[name], undefined);
});

test('options are read before and after the command', () => {
  const before = '-o s3.region=eu-1 --limit-upload 100 --insecure-tls --retry-for 90s'.split(' ');
  const after =
    '-o sftp.args=-p=22 -o s3.region=eu-2 --limit-download=0 --connections 7 --stuck-request-timeout 1h2m3s';
  const settings = settingsOf([...before, 'snapshots', ...after.split(' ')]);
  assert.deepEqual(
    [...settings.extended],
    [
      ['s3.region', 'eu-2'],
      ['sftp.args', '-p=22'],
    ],
  );
  assert.equal(settings.uploadLimit, 102_400);
  assert.equal(settings.downloadLimit, undefined);
  assert.equal(settings.insecureTls, true);
  assert.equal(settings.connections, 7);
  assert.equal(settings.retrySeconds, 90);
  assert.equal(settings.idleTimeoutSeconds, 3723);
});

test('certificates come from options or the environment', () => {
  const environment = { VARVE_CACERT: '/ca', VARVE_TLS_CLIENT_CERT: '/client' };
  const settings = settingsOf(['snapshots'], environment);
  assert.deepEqual([settings.caCertificate, settings.clientCertificate], ['/ca', '/client']);
  assert.equal(settingsOf(['snapshots', '--cacert', '/other'], environment).caCertificate, '/other');
});

test('the term of Object Lock is days or years, from the option or the environment', () => {
  const environment = { VARVE_OBJECT_LOCK: '30d' };
  assert.equal(settingsOf(['snapshots']).lockSeconds, undefined);
  assert.equal(settingsOf(['snapshots'], environment).lockSeconds, 30 * 86_400);
  assert.equal(settingsOf(['snapshots', '--object-lock', '1y'], environment).lockSeconds, 365 * 86_400);
  assert.equal(settingsOf(['snapshots', '--object-lock', '10y']).lockSeconds, 3650 * 86_400);
  for (const text of ['', '0d', '30', '30m', '2w', '1y6d', '-1d', '11y', '3651d'])
    assert.throws(
      () => settingsOf(['snapshots', `--object-lock=${text}`]),
      isVarveError('usage', /^--object-lock: ".*" must be days or years, such as 30d or 1y, and 10 years at most$/),
      text,
    );
});

test('where nothing can be locked, a term is refused', async () => {
  for (const [args, env] of [
    [['--object-lock', '30d'], {}],
    [[], { VARVE_OBJECT_LOCK: '30d' }],
  ] as const) {
    const { code, err } = await place.run(['snapshots', ...args], { env });
    assert.equal(code, 1);
    assert.match(err, /^Fatal: --object-lock: a directory has no Object Lock, only S3 has: leave it out, and unset/);
  }
});

test('values that cannot be are refused, and what can be is said', () => {
  for (const [args, message] of [
    [['--connections', '0'], /^--connections: "0" is not a number from 1 to 1000$/],
    [['--connections', 'many'], /--connections/],
    [['--limit-upload', '1.5'], /^--limit-upload: "1\.5" is not a number of KiB a second$/],
    [['--limit-download', '-3'], /--limit-download/],
    [['--stuck-request-timeout', '0'], /a second or more/],
    [['--stuck-request-timeout', '5'], /^--stuck-request-timeout: "5" is not a duration: .* 90s, 5m, 1h30m$/],
    [['--retry-for', '1d'], /--retry-for/],
    [['-o', 's3.region'], /^-o s3\.region: must be NAME=VALUE/],
    [['-o', 'region=x'], /a name that begins with s3\. or sftp\. or rclone\.$/],
  ] as const)
    assert.throws(() => settingsOf(['snapshots', ...args]), isVarveError('usage', message), args.join(' '));
});

test('each store refuses its mistyped names of -o', async () => {
  for (const [where, option] of [
    ['s3:http://127.0.0.1:1/bucket', 's3.storage-clas'],
    ['sftp:host:/path', 'sftp.comand'],
    ['rclone:x:y', 'rclone.programs'],
  ] as const) {
    const { code, err } = await place.run(['-r', where, '-o', `${option}=x`, 'snapshots']);
    assert.equal(code, 1);
    assert.match(err, new RegExp(`^Fatal: -o ${option}: no such option; the options are `));
  }
});

test('spans of time', () => {
  for (const [text, seconds] of [
    ['0', 0],
    ['0s', 0],
    ['90s', 90],
    ['5m', 300],
    ['1h', 3600],
    ['1h1s', 3601],
  ] as const)
    assert.equal(parseDuration(text, '--x'), seconds);
  for (const text of ['', 's', '5', '5d', '1m1h', '-5m', '1.5h', ' 5m'])
    assert.throws(() => parseDuration(text, '--x'), isVarveError('usage'));
});

test('a notice is a warning; with --json an object; with --quiet nothing', () => {
  for (const [args, wanted] of [
    [[], 'Warning: it waits\n'],
    [['--json'], '{"message_type":"warning","message":"it waits"}\n'],
    [['--quiet'], ''],
  ] as const) {
    const settings = settingsOf(['snapshots', ...args]);
    settings.onNotice?.('it waits');
    assert.equal(settings.err, wanted);
  }
});

test('--debug tells of each request on standard error, or in a file that only its owner reads', async () => {
  const told = await place.ok(['snapshots', '--debug']);
  assert.match(told.err, /^\S+Z get {5}config \d+ B \d+\.\d ms ok$/m);
  assert.equal((await place.ok(['snapshots'])).err, '');
  const json = await place.ok(['snapshots', '--debug', '--json']);
  for (const line of json.err.trimEnd().split('\n')) assert.equal(JSON.parse(line).message_type, 'debug');
  const file = place.path('debug.log');
  for (let i = 1; i <= 2; i++) {
    assert.equal((await place.ok(['snapshots'], { env: { VARVE_DEBUG_LOG: file } })).err, '');
    assert.equal(readFileSync(file, 'utf8').match(/ list {4}snapshots /g)?.length, i);
  }
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const refused = await place.run(['snapshots'], { env: { VARVE_DEBUG_LOG: '/nowhere/log' } });
  assert.equal(refused.code, 1);
  assert.match(refused.err, /VARVE_DEBUG_LOG: cannot write \/nowhere\/log: no such file or directory/);
});

test('the other repository may need other credentials, which the environment says', async () => {
  const { port } = await startServer({
    users: { anna: 'of anna', bob: 'of bob' },
    access: { privateRepositories: true },
  });
  const at = (user: string): string => `rest:http://127.0.0.1:${port}/${user}/repository`;
  const env = {
    VARVE_REPOSITORY: at('anna'),
    VARVE_REST_USERNAME: 'anna',
    VARVE_REST_PASSWORD: 'of anna',
    VARVE_FROM_REPOSITORY: at('bob'),
    VARVE_FROM_KEY_FILE: place.env.VARVE_KEY_FILE,
  };
  const bob = { VARVE_REPOSITORY: at('bob'), VARVE_REST_USERNAME: 'bob', VARVE_REST_PASSWORD: 'of bob' };
  await place.ok(['init'], { env });
  await place.ok(['init'], { env: bob });
  await place.ok(['backup', place.files('letters', { letter: 'dear' })], { env: bob });
  const denied = await place.run(['copy'], { env });
  assert.equal(denied.code, 1);
  assert.doesNotMatch(denied.err, /of anna|of bob/);
  await place.ok(['copy'], { env: { ...env, VARVE_FROM_REST_USERNAME: 'bob', VARVE_FROM_REST_PASSWORD: 'of bob' } });
  assert.equal((await place.json<unknown[]>(['snapshots'], { env })).length, 1);
});
