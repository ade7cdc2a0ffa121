import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { RCLONE_MISSING, type RestServer } from '../../servers/rclone.js';
import { startVarveServe } from '../../servers/varve-serve.js';
import { outcome } from '../varve.js';
import { Watched } from './cases.js';

const PASSWORD = 'pass-phrase-of-ann';
/** As rclone has passwords written; it is no secret to who sees it, nor safe. */
const obscured = (password: string): string => execFileSync('rclone', ['obscure', password]).toString().trim();

describe('rclone', { skip: RCLONE_MISSING }, () => {
  const servers: RestServer[] = [];
  after(async () => {
    for (const each of servers) await each.stop();
  });

  test('what goes wrong is told with what to do, and no password', async () => {
    const watched = new Watched(PASSWORD);
    const { place } = watched;
    const configuration = place.path('rclone.conf');
    writeFileSync(configuration, `[there]\ntype = alias\nremote = ${place.directory}\n`);
    place.env.RCLONE_CONFIG = configuration;
    const repository = 'rclone:there:repository';
    await watched.ok(['init', '-r', repository]);
    const wrong = obscured(PASSWORD);
    watched.keepSecret(wrong);
    const server = await startVarveServe(place.files('served', { note: '' }), { ann: PASSWORD });
    servers.push(server);
    const cases: [string, readonly string[], RegExp, number?][] = [
      [
        'rclone:absent:x',
        [],
        /didn't find section in config file; `rclone listremotes` lists .* `rclone config` makes one/,
      ],
      ['rclone:there:elsewhere', [], /there is no repository here/, 10],
      [`rclone::sftp,host=127.0.0.1,user=ann,pass=${PASSWORD},port=1:x`, [], /pass=\*\*\*.*`rclone obscure`/],
      [`rclone::webdav,url='http://${server.host}/',user=eve,pass=${wrong}:x`, [], /pass=\*\*\*.*(?:401|Unauthorized)/],
      [`rclone::webdav,url='http://ann:${PASSWORD}@${server.host}/no/':x`, [], /ann:\*\*\*@127/],
      [repository, ['-o', 'rclone.program=no-such-program'], /cannot start no-such-program: it is not installed/],
      [repository, ['-o', 'rclone.args=serve restic --stdio --no-such'], /rclone ended: .*unknown flag: --no-such/],
      ['rclone:', [], /no remote is given, such as rclone:REMOTE:PATH/],
    ];
    for (const [where, options, message, code = 1] of cases)
      await watched.fails({ repository: where, args: ['snapshots', ...options], code, message });
    const debug = await watched.run(['snapshots', '--debug', '-r', `rclone::sftp,host=h,pass=${PASSWORD}:x`], {
      VARVE_DEBUG_LOG: undefined,
    });
    assert.match(debug.err, /^rclone: Failed to create file system/m);
    const backup = ['backup', place.files('source', { file: 'text' }), '-r', repository];
    const id = (await place.json<{ snapshot_id: string }>(backup)).snapshot_id;
    const kept = ['-r', repository, '-o', 'rclone.args=serve restic --stdio --append-only'];
    const refused = await watched.run(['forget', id, ...kept]);
    assert.equal(refused.code, 3);
    assert.match(refused.err, /the server forbids it: it is append-only/);
  });

  test('a remote may be described in the place: its secrets are seen in no list of processes', async () => {
    const watched = new Watched(PASSWORD);
    const { place } = watched;
    const seen = place.path('seen');
    const script = place.path('rclone-seen');
    writeFileSync(
      script,
      `#!/bin/sh
tr '\\0' ' ' < /proc/$$/cmdline >> ${seen}
tr '\\0' ' ' < /proc/$PPID/cmdline >> ${seen}
echo "$RCLONE_SFTP_PASS,$RCLONE_CONFIG_NAMED_KEY_PEM" >> ${place.path('told')}
exit 1
`,
      { mode: 0o755 },
    );
    for (const remote of [`:sftp,host=h,pass="${PASSWORD}",user=u:x`, `named,key_pem='${PASSWORD}':x`]) {
      const child = place.start(['-r', `rclone:${remote}`, '-o', `rclone.program=${script}`, 'snapshots']);
      child.stdin?.end();
      const { code, err } = await outcome(child);
      assert.equal(code, 1, err);
      watched.noSecretIn(err, 'errors');
    }
    const lists = readFileSync(seen, 'utf8');
    watched.noSecretIn(lists, 'list of processes');
    assert.match(lists, /serve restic --stdio --b2-hard-delete :sftp,host=h,user=u:x/);
    assert.match(lists, /-r rclone::sftp,host=h,pass=\*\*\*,user=u:x/);
    assert.equal(readFileSync(place.path('told'), 'utf8'), `${PASSWORD},\n,${PASSWORD}\n`);
  });
});
