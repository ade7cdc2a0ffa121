import type { Command } from 'commander';
import { run, type Session } from '../../program/shell.js';
import { addSelectionOptions, collect } from '../../snapshots/snapshot-selection.js';
import { PAST_TIME } from '../../text/past-time.js';

const DESCRIPTION = `Find files and directories by name or path in all or some snapshots, newest snapshot first. Or find the files that need a blob or tree, or the
contents of a pack.`;

const EXAMPLES = `
Patterns work as in \`varve backup\`: a directory that matches includes everything in it, and !PATTERN excludes what earlier
patterns found. A file must match one of the patterns, and all limits of time and size. Here ${PAST_TIME}.

Examples:
  varve find letter.odt
  varve find -l '*.sql' --oldest 14d --min-size 10M
  varve find -s latest --ignore-case '/home/anna/**/*.JPG'
  varve find --blob 420f620f --show-pack-id

Exit codes: 0 searched, whether or not it found anything; 1 failed, or could not read everything; 10 no repository;
12 wrong password.`;

export function define(command: Command, session: Session): void {
  command.description(DESCRIPTION).argument('[patterns...]', 'names or paths to find').addHelpText('after', EXAMPLES);
  command
    .option('-i, --ignore-case', 'ignore case')
    .option('-O, --oldest <time>', 'only files modified at this time or later')
    .option('-N, --newest <time>', 'only files modified at this time or earlier')
    .option('--min-size <size>', 'only files of at least this size: 300K, 10M')
    .option('--max-size <size>', 'only files of at most this size')
    .option('-l, --long', 'show mode, owner, size and time')
    .option('--human-readable', 'show sizes in KiB, MiB and so on')
    .option('-R, --reverse', 'oldest snapshot first')
    .option(
      '-s, --snapshot <id>',
      'search only this snapshot: latest, an id, or a prefix of an id (repeatable)',
      collect,
    )
    .option('--blob', 'the patterns are blob ids, or prefixes of them')
    .option('--tree', 'the patterns are tree ids')
    .option('--pack', 'the patterns are pack ids')
    .option('--show-pack-id', 'with --blob or --tree: show the pack that holds it');
  addSelectionOptions(command, 'searched');
  run(command, session, async (context, args, options) => {
    const { findCommand } = await import('./command.js');
    return findCommand(context, args, options as Parameters<typeof findCommand>[2]);
  });
}
