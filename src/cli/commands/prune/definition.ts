import type { Command } from 'commander';
import { type Run, run, type Shell } from '../../program/shell.js';
import { openFromOptions } from '../../repository/open.js';
import { pruner } from './command.js';
import { addPruneOptions, type PruneFlags } from './options.js';

const DESCRIPTION = `Remove what no snapshot needs. Other commands may run beside it: it condemns unneeded data first, and a later prune deletes them, when the
grace time has passed and nothing runs that began before. Needs a manage or full key.`;

const EXAMPLES = `
Examples:
  varve prune
  varve prune --dry-run
  varve prune --max-unused 10% --max-repack-size 2G
  varve prune --grace 0              at once, for a disk that is full: what runs is still heeded
  varve prune --object-lock 30d      in S3: locks what stays for longer (docs/stores.md), also when nothing goes

Exit codes: 0 done; 1 failed, or something is damaged; 10 no repository; 11 another prune is at work; 12 wrong password.`;

export function define(command: Command, shell: Shell): void {
  command.description(DESCRIPTION);
  addPruneOptions(command);
  command
    .option('-n, --dry-run', 'only tell what would be done')
    .option(
      '--unsafe-recover-no-free-space <id>',
      'for a full disk where prune cannot even begin: remove what no snapshot needs, copy nothing; nothing else may use the repository, whose id is given',
    )
    .addHelpText('after', EXAMPLES);
  run(command, shell, pruneCommand);
}

const pruneCommand: Run<PruneFlags> = async (context, _, flags) => {
  const prune = pruner(context, flags);
  const repository = await openFromOptions(context, () => import('../../../prune/prune.js'));
  repository.keys.requireRole('manage', 'prune');
  return prune(repository);
};
