import { chmodSync, lstatSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { VarveError } from '../../src/errors/errors.js';
import { TreeReader } from '../../src/repository/reading/tree-reader.js';
import { components, Sandbox } from '../backup/sandbox.js';
import { Forge } from './crafted.js';

/** Run as a child with the ids of a normal user: restores to targets that are read-only, and a device. Prints what came of it. */
const [directory = '', ofRoot = ''] = process.argv.slice(2);
const sandbox = await Sandbox.create(join(directory, 'box'));
writeFileSync(join(sandbox.source, 'file'), 'mine');
const { snapshot } = await sandbox.backup();
const root = await sandbox.sourceIn(snapshot.root);

function readOnlyTarget(name: string, mode: number): string {
  const target = join(directory, name);
  mkdirSync(target);
  writeFileSync(join(target, 'other'), 'there before');
  chmodSync(target, mode);
  return target;
}

async function restoreTo(target: string): Promise<string> {
  const before = lstatSync(target).mode & 0o7777;
  const { progress } = await sandbox.restore(root, { target });
  const mode = lstatSync(target).mode & 0o7777;
  chmodSync(target, 0o700);
  return `${progress.errors} errors, ${readdirSync(target).sort()}, mode ${mode === before ? 'as before' : mode.toString(8)}`;
}

async function restoreToRoots(): Promise<string> {
  const entry = await new TreeReader(await sandbox.indexed()).find(snapshot.root, components(sandbox.source));
  try {
    await sandbox.restore(root, { target: ofRoot, directory: entry });
    return 'restored';
  } catch (cause) {
    return VarveError.from(cause).message;
  }
}

async function restoreDevice(): Promise<string> {
  const forge = new Forge(await sandbox.open());
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  const device = forge.directory({ name: Buffer.from('device'), type: 'character', rdev: [1, 3], uid, gid });
  await forge.finish();
  const { events } = await sandbox.restore(device);
  return events.flatMap((event) => (event.kind === 'error' ? [event.message] : [])).join();
}

const result = {
  readOnly: await restoreTo(readOnlyTarget('read-only', 0o555)),
  closed: await restoreTo(readOnlyTarget('closed', 0o111)),
  ofRoot: await restoreToRoots(),
  device: await restoreDevice(),
};
process.stdout.write(JSON.stringify(result));
