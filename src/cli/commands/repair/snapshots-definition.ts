import type { Command } from 'commander';
import { run, type Shell } from '../../program/shell.js';
import { addRemakeOptions } from '../../snapshots/rewrite-command.js';

const DESCRIPTION = `Make a copy of each damaged snapshot without what is lost, so that the rest can be restored without errors. The damaged one stays, unless --forget is given;
the copy gets the tag repaired. Needs a manage or full key.`;

const AFTER = `
First let \`varve check --read-data\` say what is damaged, then \`varve repair packs\` and \`varve repair
index\` save what can be saved, then let a backup store anew what is still there: that often heals all.

A file of which any part is lost is left out, so that none looks whole that is not; what there is of it
can be had from the damaged snapshot as long as that stays. Of a directory whose list breaks off what comes
before that is kept. Attributes that cannot be read are left out, and the file is kept. A snapshot of
which nothing can be read is left as it is; name it, with --forget, to remove it.

Examples:
  varve repair snapshots --dry-run
  varve repair snapshots
  varve repair snapshots --forget --host web1
  varve repair snapshots --forget 1a2b3c4d

Exit codes: 0 done, and nothing is lost; 1 failed, for some snapshots or all; 3 new snapshots lack what is lost;
10 no repository; 12 wrong password; 130 interrupted.`;

export function defineSnapshots(command: Command, shell: Shell): void {
  command.description(DESCRIPTION).addHelpText('after', AFTER);
  addRemakeOptions(command, 'repaired', 'remove the damaged snapshots, when the copies are there');
  run(command, shell, async (context, args, options) => {
    const { repairSnapshotsCommand } = await import('./snapshots-command.js');
    return repairSnapshotsCommand(context, args, options as Parameters<typeof repairSnapshotsCommand>[2]);
  });
}
