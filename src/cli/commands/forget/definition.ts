import type { Command } from 'commander';
import { run, type Session } from '../../program/shell.js';
import { addSelectionOptions, collect } from '../../snapshots/snapshot-selection.js';
import { addPruneOptions } from '../prune/options.js';

const DESCRIPTION = `Remove the given snapshots, or all snapshots that a policy does not keep. A policy applies to each group of snapshots (--group-by), and keeps
every snapshot that any --keep option keeps. Hours, days, weeks (from Monday), months and years are in this machine's time zone. The data of
removed snapshots stays in the repository until a prune. Needs a manage or full key.`;

const EXAMPLES = `
A number counts snapshots, or the hours, days and so on that have a snapshot, not those that have passed; unlimited
means all of them. A duration is years, months, weeks, days and hours before the newest snapshot of the group
(1y5m7d2h, 14d, 2w); a date (2026-01-31) means since the beginning of that day.

A policy that is empty, or that would remove all snapshots of a group, is an error and removes nothing.
An append key can make snapshots with any time, so a thief's snapshots may take the place of yours in a policy of numbers;
--keep-within does not have that weakness.

Examples:
  varve forget --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --keep-yearly unlimited --dry-run
  varve forget --keep-within 14d --keep-within-monthly 1y6m --keep-tag release
  varve forget --keep-last 30 --prune
  varve forget --host web1 --tag test --unsafe-allow-remove-all
  varve forget 1a2b3c4d

Exit codes: 0 done; 1 failed, or refused; 3 some snapshots could not be removed; 10 no repository; 12 wrong password;
130 interrupted.`;

export function define(command: Command, session: Session): void {
  command
    .description(DESCRIPTION)
    .argument('[ids...]', 'remove these snapshots: ids, prefixes of ids, or latest')
    .addHelpText('after', EXAMPLES);
  command
    .option('-l, --keep-last <n>', 'keep the last n snapshots')
    .option('-H, --keep-hourly <n>', 'keep the last snapshot of each of the last n hours that have one')
    .option('-d, --keep-daily <n>', 'keep the last snapshot of each of the last n days that have one')
    .option('-w, --keep-weekly <n>', 'keep the last snapshot of each of the last n weeks that have one')
    .option('-m, --keep-monthly <n>', 'keep the last snapshot of each of the last n months that have one')
    .option('-y, --keep-yearly <n>', 'keep the last snapshot of each of the last n years that have one')
    .option('--keep-within <duration>', 'keep all snapshots within this duration of the newest')
    .option('--keep-within-hourly <duration>', 'keep the last snapshot of each hour within this duration of the newest')
    .option('--keep-within-daily <duration>', 'keep the last snapshot of each day within this duration of the newest')
    .option('--keep-within-weekly <duration>', 'keep the last snapshot of each week within this duration of the newest')
    .option(
      '--keep-within-monthly <duration>',
      'keep the last snapshot of each month within this duration of the newest',
    )
    .option('--keep-within-yearly <duration>', 'keep the last snapshot of each year within this duration of the newest')
    .option(
      '--keep-tag <tags>',
      'keep snapshots with all of these comma-separated tags (repeatable: any of the lists)',
      collect,
    );
  addSelectionOptions(command, 'considered', '--host <host>')
    .option('-g, --group-by <what>', "group snapshots by host, paths or tags; '' for one group", 'host,paths')
    .option('--prune', 'run `varve prune` afterwards, with its options below')
    .option('-n, --dry-run', 'remove nothing, show what would be removed')
    .option('-c, --compact', 'one line per snapshot, without paths')
    .option(
      '--unsafe-allow-remove-all',
      'allow a policy to remove all snapshots of a group; needs --host, --tag, --path or --signer',
    );
  addPruneOptions(command);
  run(command, session, async (context, args, options) => {
    const { forgetCommand } = await import('./command.js');
    return forgetCommand(context, args, options as Parameters<typeof forgetCommand>[2]);
  });
}
