import { Buffer } from 'node:buffer';
import { chmodSync, linkSync, mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { SEGMENT_BYTES } from '../../src/backup/walker.js';
import { AT_FDCWD, utimensat } from '../../src/filesystem/posix.js';
import { Sandbox } from './sandbox.js';
import { treeImage } from './tree-image.js';

/** Run as a child with the ids of a normal user: backs up files, some of which it may not read, and restores them. */
const sandbox = await Sandbox.create(join(process.argv[2] as string, 'box'));
const at = (name: string): string => join(sandbox.source, name);
writeFileSync(at('file'), 'mine');
linkSync(at('file'), at('also mine'));
mkdirSync(at('folder/below'), { recursive: true });
writeFileSync(at('folder/below/file'), 'deep');
chmodSync(at('folder/below/file'), 0o4750);
chmodSync(at('folder/below'), 0o555);
symlinkSync('file', at('link'));
utimensat(AT_FDCWD, Buffer.from(at('link')), { seconds: 5, nanoseconds: 6 }, { seconds: 5, nanoseconds: 6 });
utimensat(AT_FDCWD, Buffer.from(at('folder')), { seconds: 7, nanoseconds: 8 }, { seconds: 7, nanoseconds: 8 });
writeFileSync(at('secret'), 'unreadable');
chmodSync(at('secret'), 0);
writeFileSync(at('secret and large'), '');
truncateSync(at('secret and large'), 3 * SEGMENT_BYTES + 1);
chmodSync(at('secret and large'), 0);
mkdirSync(at('secret folder'));
chmodSync(at('secret folder'), 0o300);
const { errors, events, snapshot, summary } = await sandbox.backup();
const unreadable = events.flatMap((event) => (event.kind === 'error' ? [basename(event.path.toString())] : []));
const { target, progress } = await sandbox.restoreSource(snapshot.root);
rmSync(at('secret'));
rmSync(at('secret and large'));
chmodSync(at('secret folder'), 0o700);
chmodSync(join(target, 'secret folder'), 0o700);
const same = JSON.stringify(treeImage(target)) === JSON.stringify(treeImage(sandbox.source));
const result = {
  errors,
  bytes: summary.total_bytes_processed,
  same,
  unreadable: unreadable.sort(),
  restoreErrors: progress.errors,
  restoreWarnings: progress.warnings,
};
process.stdout.write(JSON.stringify(result));
