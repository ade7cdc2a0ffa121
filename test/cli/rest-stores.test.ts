import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, type TestContext, test } from 'node:test';
import { RCLONE_MISSING, type RestServer, startRclone } from '../servers/rclone.js';
import { REST_SERVER_MISSING, startRestServer } from '../servers/rest-server.js';
import { Playground } from './varve.js';

const SECRET = 'pass-phrase-of-ann';

/** From the first command to the last, on a store that is not there before. */
async function wholeRound(place: Playground, repository: string): Promise<void> {
  const env = { ...place.env, VARVE_REPOSITORY: repository };
  const said: string[] = [];
  const varve = async (code: number, ...args: string[]): Promise<string> => {
    const result = await place.run(args, { env });
    said.push(result.out, result.err);
    assert.equal(result.code, code, `${args.join(' ')}: ${result.out}${result.err}`);
    return result.out + result.err;
  };
  const [old, fresh] = [randomBytes(3_000_000), randomBytes(20_000_000)];
  const source = place.files('source', { 'folder/file': 'text', old });
  assert.match(await varve(10, 'snapshots'), /no repository/);
  await varve(0, 'init');
  assert.match(await varve(1, 'init'), /already/);
  await varve(0, 'backup', source);
  place.files('source', { old: fresh });
  await varve(0, 'backup', source);
  const target = place.path('target');
  await varve(0, 'restore', 'latest', '--target', target);
  assert.ok(readFileSync(`${target}${source}/old`).equals(fresh));
  assert.equal(readFileSync(`${target}${source}/folder/file`, 'utf8'), 'text');
  await varve(0, 'check', '--read-data');
  await varve(0, 'forget', '--keep-last', '1', '--prune');
  await varve(0, 'prune');
  await varve(0, 'check', '--read-data', '--no-cache');
  assert.ok(!said.join('').includes(SECRET));
}

async function overRest(context: TestContext, starting: (directory: string) => Promise<RestServer>): Promise<void> {
  const place = new Playground();
  const directory = place.path('served');
  mkdirSync(directory);
  const server = await starting(directory);
  context.after(() => server.stop());
  await wholeRound(place, `rest:http://ann:${SECRET}@${server.host}/repository/`);
}

describe('a whole round', () => {
  test('over rest-server', { skip: REST_SERVER_MISSING }, (context) =>
    overRest(context, (directory) => startRestServer(directory, { ann: SECRET })),
  );

  test('over rclone serve restic', { skip: RCLONE_MISSING }, (context) =>
    overRest(context, (directory) => startRclone(directory, '--user', 'ann', '--pass', SECRET)),
  );

  test('over rclone', { skip: RCLONE_MISSING }, async () => {
    const place = new Playground();
    const configuration = place.path('rclone.conf');
    writeFileSync(configuration, `[there]\ntype = alias\nremote = ${place.directory}\n`);
    place.env.RCLONE_CONFIG = configuration;
    await wholeRound(place, 'rclone:there:repository');
  });
});
