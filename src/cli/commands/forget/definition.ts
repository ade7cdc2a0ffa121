import type { Command } from 'commander';
import { run, type Shell } from '../../program/shell.js';
import { addSelectionOptions, collect } from '../../snapshots/snapshot-selection.js';
import { addPruneOptions } from '../prune/options.js';

const DESCRIPTION = `Remove snapshots: those given, or all that a policy does not keep. The snapshots are divided into groups (--group-by). Of each group
varve keeps what any --keep option keeps. Hours, days, weeks (from Monday), months and years are in this machine's time zone. The data that only
removed snapshots need stay in the repository until it is pruned. Needs a manage or full key.`;

const EXAMPLES = `
Examples:
  varve forget --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --keep-yearly unlimited --dry-run
  varve forget --keep-within 14d --keep-within-monthly 1y6m --keep-tag release
  varve forget --keep-last 30 --prune
  varve forget --host web1 --tag test --unsafe-allow-remove-all
  varve forget 1a2b3c4d

A number is that of snapshots, hours, days and so on that have one, not of those that have passed; unlimited
keeps one of each. A duration is years, months, weeks, days and hours (1y5m7d2h, 14d, 2w) before the newest
snapshot of the group; a date (2026-01-31) is since the beginning of that day.

A policy that is empty, or that would keep nothing of a group, removes nothing: that is an error.
Whoever has an append key can make snapshots of any time, so that numbers keep them and not yours;
--keep-within does not have that weakness.

Exit codes: 0 done; 1 failed, or refused; 3 some snapshots could not be removed; 10 no repository; 12
wrong password; 130 interrupted.`;

export function define(command: Command, shell: Shell): void {
  command
    .description(DESCRIPTION)
    .argument('[ids...]', 'remove these, whatever a policy says: ids, beginnings of ids, or latest')
    .addHelpText('after', EXAMPLES);
  command
    .option('-l, --keep-last <n>', 'keep the last n snapshots')
    .option('-H, --keep-hourly <n>', 'keep the last of each hour, for n hours that have one')
    .option('-d, --keep-daily <n>', 'keep the last of each day, for n days that have one')
    .option('-w, --keep-weekly <n>', 'keep the last of each week, for n weeks that have one')
    .option('-m, --keep-monthly <n>', 'keep the last of each month, for n months that have one')
    .option('-y, --keep-yearly <n>', 'keep the last of each year, for n years that have one')
    .option('--keep-within <duration>', 'keep all that are newer than this before the newest')
    .option('--keep-within-hourly <duration>', 'keep the last of each hour that are newer than this')
    .option('--keep-within-daily <duration>', 'keep the last of each day that are newer than this')
    .option('--keep-within-weekly <duration>', 'keep the last of each week that are newer than this')
    .option('--keep-within-monthly <duration>', 'keep the last of each month that are newer than this')
    .option('--keep-within-yearly <duration>', 'keep the last of each year that are newer than this')
    .option(
      '--keep-tag <tags>',
      'keep what has all of these tags, joined by commas (repeatable: any of them)',
      collect,
    );
  addSelectionOptions(command, 'considered', '--host <host>')
    .option('-g, --group-by <what>', "what a group has in common: host, paths, tags; '' for one group", 'host,paths')
    .option('--prune', 'then run `varve prune`, with the options below')
    .option('-n, --dry-run', 'remove nothing, tell what would be removed')
    .option('-c, --compact', 'a line for each snapshot, without paths')
    .option('--unsafe-allow-remove-all', 'a policy may keep nothing of a group; only with --host, --tag or --path');
  addPruneOptions(command);
  run(command, shell, async (context, args, options) => {
    const { forgetCommand } = await import('./command.js');
    return forgetCommand(context, args, options as Parameters<typeof forgetCommand>[2]);
  });
}
