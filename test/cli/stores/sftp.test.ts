import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { missingPrograms } from '../../servers/programs.js';
import { freePort, makeKey, SSHD_MISSING, type Sshd, startSshd } from '../../servers/sshd.js';
import { MAIN } from '../main-program.js';
import { Watched } from './cases.js';

const SECRET = 'pass-phrase-of-ann';
const servers: Sshd[] = [];
after(async () => {
  for (const each of servers) await each.stop();
});

async function started(...options: Parameters<typeof startSshd>): Promise<Sshd> {
  const sshd = await startSshd(...options);
  servers.push(sshd);
  return sshd;
}

test('errors of SFTP give advice and show no password', { skip: SSHD_MISSING }, async () => {
  const watched = new Watched(SECRET);
  const { place } = watched;
  const sshd = await started();
  const readOnly = await started({ subsystem: 'internal-sftp -R' });
  const repository = `sftp:server:${join(sshd.directory, 'repository')}`;
  const by = (more = '', on = sshd): string[] => ['-o', `sftp.args=-F ${on.clientConfig} ${more}`];
  const source = place.files('source', { file: 'text' });
  await watched.ok(['init', '-r', repository, ...by()]);
  const stranger = place.path('stranger');
  makeKey(stranger);
  writeFileSync(place.path('changed'), `* ${readFileSync(`${stranger}.pub`)}`);
  writeFileSync(place.path('empty'), '');

  for (const args of [['init'], ['backup', source], ['snapshots']])
    await watched.fails({
      repository,
      args: [...args, ...by(`-oUserKnownHostsFile=${place.path('changed')}`)],
      message: /^Fatal: server: its host key has changed: an attacker may be in between.*ssh-keygen/,
    });
  const cases: [readonly string[], RegExp][] = [
    [by(`-oUserKnownHostsFile=${place.path('empty')}`), /its host key is unknown here: log in once with `ssh server`/],
    [
      by(
        `-oIdentityFile=${stranger} -F /dev/null -p ${sshd.port} -oHostName=127.0.0.1 -oBatchMode=yes -oIdentitiesOnly=yes -oStrictHostKeyChecking=no -oUserKnownHostsFile=${place.path('new')}`,
      ),
      /does not let you in. Try `ssh server`: is it the right user/,
    ],
    [by('-l nobody-there'), /does not let you in/],
    [by('-oHostName=no-such-host.invalid'), /the host does not exist, or no name server answers/],
    [by(`-p ${await freePort()}`), /the connection is refused: is its ssh server running, and the port right\?/],
  ];
  for (const [options, message] of cases) await watched.fails({ repository, args: ['snapshots', ...options], message });
  await watched.fails({
    repository: `${repository}-elsewhere`,
    args: ['snapshots', ...by()],
    code: 10,
    message: /-elsewhere: there is no repository here .*varve init/,
  });
  await watched.fails({
    repository: `sftp:server:${place.path('source', 'file')}`,
    args: ['init', ...by()],
    message: /source\/file exists, but is not a directory/,
  });
  await watched.ok(['snapshots', '-r', repository, ...by('', readOnly)]);
  for (const args of [['backup', source], ['prune']])
    await watched.fails({
      repository,
      args: [...args, ...by('', readOnly)],
      message: /cannot write locks\/.*sftp:server:.*permission denied: is the account read-only/,
    });
});

test('passwords in locations and options of SFTP are refused and not shown', async () => {
  const watched = new Watched(SECRET);
  for (const repository of [`sftp:ann:${SECRET}@host:/x`, `sftp://ann:${SECRET}@host//x`])
    await watched.fails({
      repository,
      args: ['snapshots'],
      message: /it must not contain a password: ssh asks for it/,
    });
  for (const [option, message] of [
    [`sftp.password=${SECRET}`, /-o sftp\.password: no such option; the options are sftp\.command/],
    [`password=${SECRET}`, /-o password: must be NAME=VALUE, with a name that begins with/],
    [`sftp.command=no-such-program -p ${SECRET}`, /cannot start no-such-program/],
    [`sftp.command='sshpass -p ${SECRET}`, /-o sftp\.command: the quote ' is not closed/],
  ] as const)
    await watched.fails({ repository: 'sftp:host:/x', args: ['snapshots', '-o', option], message });
});

test('what ssh asks is asked on the terminal, and nothing is written over it', {
  skip: SSHD_MISSING || missingPrograms(['script'], 'bsdutils'),
}, async () => {
  const watched = new Watched(SECRET);
  const { place } = watched;
  const sshd = await started();
  const key = place.path('key-with-passphrase');
  makeKey(key, SECRET);
  appendFileSync(join(sshd.directory, 'key.pub'), readFileSync(`${key}.pub`));
  const repository = `sftp:${sshd.user}@localhost:${join(sshd.directory, 'repository')}`;
  const options = [
    `-F /dev/null -p ${sshd.port} -oHostName=127.0.0.1 -oGlobalKnownHostsFile=none`,
    `-oUserKnownHostsFile=${place.path('known')} -oIdentityFile=${key} -oIdentitiesOnly=yes -oIdentityAgent=none`,
  ].join(' ');
  await watched.ok(['init', '-r', repository, '-o', `sftp.args=-F ${sshd.clientConfig}`]);
  const source = place.files('source', { file: 'text' });
  const command = [process.execPath, MAIN, 'backup', source, '-r', repository, '-o', `sftp.args=${options}`];
  const quoted = command.map((word) => `'${word}'`).join(' ');
  const terminal = spawn('script', ['-qec', quoted, '/dev/null'], {
    env: place.env,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const answers: [string, string][] = [
    ['(yes/no/[fingerprint])? ', 'yes\n'],
    [`Enter passphrase for key '${key}': `, `${SECRET}\n`],
  ];
  let shown = '';
  terminal.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text;
    const [asked, answer] = answers[0] ?? [];
    if (asked === undefined || !shown.includes(asked)) return;
    assert.ok(shown.endsWith(asked), shown);
    answers.shift();
    terminal.stdin.write(answer as string);
  });
  const code = await new Promise((resolve) => terminal.once('close', resolve));
  assert.equal(code, 0, shown);
  assert.deepEqual(answers, []);
  assert.match(shown, /snapshot [0-9a-f]{8} saved/);
  watched.noSecretIn(shown, 'terminal');
});
