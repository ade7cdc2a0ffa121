import type { Command } from 'commander';
import { run, type Session } from '../../program/shell.js';
import type { ServeFlags } from './options.js';
import type { PasswordFlags } from './password-command.js';

const DESCRIPTION = `Give a user of \`varve serve\` a password, a new user or one that there is. A server that runs takes it within a second. The file is one as
Apache's htpasswd makes it; to remove a user, remove the line.`;

const AFTER = `
Where the file is: --path DIRECTORY (then it is .htpasswd in it), or --htpasswd-file FILE.

Examples:
  varve serve password anna --path /srv/backup
  varve serve password web1 --htpasswd-file /etc/varve/users --new-password-file web1.password

Exit codes: 0 done; 1 failed.`;

export function definePassword(command: Command, session: Session): void {
  command
    .summary('give a user a password')
    .description(DESCRIPTION)
    .argument('<user>', 'the name')
    .option('--new-password-file <file>', 'file with the new password')
    .option('--new-password-command <command>', 'command that prints the new password')
    .addHelpText('after', AFTER);
  run<PasswordFlags>(command, session, async (context, [user = ''], flags) => {
    const { passwordCommand } = await import('./password-command.js');
    return passwordCommand(context, user, { ...(command.parent?.opts() as ServeFlags), ...flags });
  });
}
