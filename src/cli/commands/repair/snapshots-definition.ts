import type { Command } from 'commander';
import { run, type Session } from '../../program/shell.js';
import { addRewriteOptions } from '../../snapshots/rewrite-command.js';

const DESCRIPTION = `Copy each damaged snapshot without what is lost, so that the rest can be restored without errors. The damaged one stays unless you give --forget; the
copy gets the tag repaired. Needs a manage or full key.`;

const AFTER = `
First run \`varve check --read-data\`, then \`varve repair packs\` and \`varve repair index\` as it advises, then a
backup, which stores again what still exists: that often repairs everything.

repair snapshots leaves out a file when any part of it is lost, so that no file looks whole and is not; you can still restore
the rest of it from the damaged snapshot while that exists. It keeps the readable entries of a damaged directory, and
files whose attributes cannot be read. It leaves alone a snapshot that cannot be read at all; name it with --forget to remove it.

Examples:
  varve repair snapshots --dry-run
  varve repair snapshots
  varve repair snapshots --forget --host web1
  varve repair snapshots --forget 1a2b3c4d

Exit codes: 0 done, and nothing is lost; 1 failed for some or all snapshots; 3 new snapshots lack what is lost; 10 no
repository; 12 wrong password; 130 interrupted.`;

export function defineSnapshots(command: Command, session: Session): void {
  command.description(DESCRIPTION).addHelpText('after', AFTER);
  addRewriteOptions(command, 'repaired', 'remove the damaged snapshots once the copies exist');
  run(command, session, async (context, args, options) => {
    const { repairSnapshotsCommand } = await import('./snapshots-command.js');
    return repairSnapshotsCommand(context, args, options as Parameters<typeof repairSnapshotsCommand>[2]);
  });
}
