import type { Command } from 'commander';
import { run, type Shell } from '../../program/shell.js';
import { addSelectionOptions, collect } from '../../snapshots/snapshot-selection.js';
import { PAST_TIME } from '../../text/past-time.js';

const DESCRIPTION = `Find files and directories by name or path in all snapshots, or in some, the newest snapshot first. Or find what needs a blob or a
tree, or what is in a pack.`;

const EXAMPLES = `
Patterns are those of \`varve backup\`: a directory that matches is found with all that is in it, and
!PATTERN takes back what those before it found. Of several patterns one is enough; of times and
sizes all must fit. Here ${PAST_TIME}.

Examples:
  varve find letter.odt
  varve find -l '*.sql' --oldest 14d --min-size 10M
  varve find -s latest --ignore-case '/home/anna/**/*.JPG'
  varve find --blob 420f620f --show-pack-id

Exit codes: 0 searched, whether something was found or not; 1 failed, or something could not be read;
10 no repository; 12 wrong password.`;

export function define(command: Command, shell: Shell): void {
  command.description(DESCRIPTION).argument('[patterns...]', 'what to look for').addHelpText('after', EXAMPLES);
  command
    .option('-i, --ignore-case', 'without regard to upper and lower case')
    .option('-O, --oldest <time>', 'only what was changed at this time or later')
    .option('-N, --newest <time>', 'only what was changed at this time or earlier')
    .option('--min-size <size>', 'only files of at least so many bytes: 300K, 10M')
    .option('--max-size <size>', 'only files of at most so many bytes')
    .option('-l, --long', 'with mode, owner, size and time')
    .option('--human-readable', 'sizes in KiB, MiB and so on')
    .option('-R, --reverse', 'the oldest snapshot first')
    .option('-s, --snapshot <id>', 'search this snapshot: latest, an id, or the beginning of one (repeatable)', collect)
    .option('--blob', 'the patterns are ids of blobs, or beginnings of them')
    .option('--tree', 'the patterns are ids of trees')
    .option('--pack', 'the patterns are ids of packs')
    .option('--show-pack-id', 'with --blob or --tree: which pack it is in');
  addSelectionOptions(command, 'searched');
  run(command, shell, async (context, args, options) => {
    const { findCommand } = await import('./command.js');
    return findCommand(context, args, options as Parameters<typeof findCommand>[2]);
  });
}
