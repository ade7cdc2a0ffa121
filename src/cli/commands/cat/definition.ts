import type { Command } from 'commander';
import { run, type Session } from '../../program/shell.js';

const DESCRIPTION = `Print one object of the repository, decrypted and verified, as JSON: config; snapshot ID; index ID; key ID; lock ID; tree
SNAPSHOT[:SUBDIRECTORY]. For a blob, print its bytes; for a pack, its bytes as stored, or with --json its contents.`;

const EXAMPLES = `
Examples:
  varve cat config
  varve cat tree latest:/etc

Exit codes: 0 printed; 1 failed, or the object does not exist; 10 no repository; 12 wrong password.`;

export function define(command: Command, session: Session): void {
  command.description(DESCRIPTION).addHelpText('after', EXAMPLES);
  command
    .argument('[kind]', 'config, snapshot, index, key, lock, tree, blob or pack')
    .argument('[id]', 'its id, or a prefix of it');
  run(command, session, async (context, args) => {
    const { catCommand } = await import('./command.js');
    return catCommand(context, args);
  });
}
