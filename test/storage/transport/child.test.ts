import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { startChild } from '../../../src/storage/transport/child.js';
import { throttlesOf } from '../../../src/storage/transport/throttle.js';
import { isVarveError } from '../../errors/expect-error.js';
import { settings } from './settings.js';

const scratch = mkdtempSync(join(tmpdir(), 'varve-child-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

for (const asks of [false, true]) {
  const what = asks ? 'one that may ask' : 'one that asks nothing';

  test(`${what}: talks over its pipes and ends with them`, async () => {
    const child = await startChild(['cat'], settings(), { kind: 'ssh', asks });
    const got: Buffer[] = [];
    child.stream.on('data', (bytes: Buffer) => got.push(bytes));
    const sent = Buffer.alloc(300_000, 'varve');
    child.stream.write(sent.subarray(0, 100_000));
    child.stream.end(sent.subarray(100_000));
    await once(child.stream, 'end');
    assert.ok(Buffer.concat(got).equals(sent));
    assert.equal(await child.ended, 0);
  });

  test(`${what}: reports exit code, signal and standard error`, async () => {
    const failed = await startChild(['sh', '-c', 'echo something is wrong >&2; exit 7'], settings(), {
      kind: 'ssh',
      asks,
    });
    failed.stream.resume();
    assert.equal(await failed.ended, 7);
    assert.equal(failed.said(), 'something is wrong');
    const killed = await startChild(['sh', '-c', 'kill -9 $$'], settings(), { kind: 'ssh', asks });
    assert.equal(await killed.ended, 'SIGKILL');
  });

  test(`${what}: a missing program is named`, async () => {
    const none = (name: string) => startChild([name], settings(), { kind: 'ssh', asks });
    await assert.rejects(
      none('varve-no-such'),
      isVarveError('usage', /^cannot start varve-no-such: it is not installed, or not in the PATH$/),
    );
    await assert.rejects(none(join(scratch, 'none')), isVarveError('usage', /none: it is not installed/));
    writeFileSync(join(scratch, 'plain'), 'no program');
    await assert.rejects(none(join(scratch, 'plain')), isVarveError('usage'));
    writeFileSync(join(scratch, 'broken'), '#!/no/such/interpreter\n', { mode: 0o755 });
    if (!asks) await assert.rejects(none(join(scratch, 'broken')), isVarveError('usage', /cannot start .*broken/));
  });

  test(`${what}: ends when it is closed`, async () => {
    const child = await startChild(['sleep', '1000'], settings(), { kind: 'ssh', asks });
    child.close();
    assert.equal(await child.ended, 'SIGTERM');
  });

  test(`${what}: a write after its end is an error of the stream`, async () => {
    for (const limits of [{}, { uploadLimit: 1e6 }]) {
      const child = await startChild(['true'], settings(), { kind: 'ssh', asks, throttles: throttlesOf(limits) });
      await child.ended;
      child.stream.write(Buffer.alloc(100));
      if (!child.stream.destroyed) await new Promise((resolve) => child.stream.on('close', resolve).resume());
      assert.ok(child.stream.destroyed);
    }
  });
}

test('children of the program keep nothing open', async () => {
  const child = await startChild(['sh', '-c', 'sleep 600 <&- >&- & echo $! >&2; exec sleep 600'], settings(), {
    kind: 'ssh',
    asks: false,
  });
  while (child.said() === '') await new Promise((resolve) => setTimeout(resolve, 10));
  child.close();
  assert.equal(await child.ended, 'SIGTERM');
  process.kill(Number(child.said()));
});

test('the end of standard error is kept, and each line is passed on', async () => {
  const lines: string[] = [];
  const script = 'i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done >&2; printf last >&2';
  const child = await startChild(['sh', '-c', script], settings(), {
    kind: 'ssh',
    asks: false,
    onLine: (line) => lines.push(line),
  });
  await child.ended;
  assert.equal(lines.length, 2001);
  assert.equal(lines[0], 'line 0');
  assert.equal(lines.at(-1), 'last');
  assert.ok(child.said().endsWith('line 1999\nlast'));
  assert.equal(child.said().length, 4096);
});

test('the program gets exactly the given environment', async () => {
  const environment = { PATH: process.env.PATH, SECRET: 'for you' };
  const child = await startChild(['sh', '-c', 'echo "$SECRET, $HOME" >&2'], settings({ environment }), {
    kind: 'ssh',
    asks: false,
  });
  await child.ended;
  assert.equal(child.said(), 'for you,');
});

/** Ctrl-C on a terminal is a SIGINT to all processes of the group: here that of a shell which leads one. */
test('the program survives Ctrl-C', async () => {
  const { spawn } = await import('node:child_process');
  const url = new URL('../../../src/storage/transport/child.js', import.meta.url);
  for (const asks of [false, true]) {
    const script = `
      import { startChild } from '${url}';
      process.on('SIGINT', () => undefined);
      const settings = { environment: process.env, extended: new Map(), idleTimeoutSeconds: 1, retrySeconds: 1 };
      const program = ['sh', '-c', 'echo started >&2; sleep 0.5'];
      const child = await startChild(program, settings, { kind: 'ssh', asks: ${asks}, onLine: (line) => console.log(line) });
      console.log(await child.ended);`;
    const group = spawn(process.execPath, ['--input-type=module', '-e', script], { detached: true });
    let out = '';
    group.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (out === '') process.kill(-(group.pid as number), 'SIGINT');
      out += text;
    });
    await once(group, 'close');
    assert.equal(out, 'started\n0\n', `asks: ${asks}`);
  }
});
