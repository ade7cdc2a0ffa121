import type { Command } from 'commander';
import { DEFAULT_ADDRESS } from '../../../serve/address.js';
import { run, type Shell } from '../../program/shell.js';
import type { ServeFlags } from './options.js';
import { definePassword } from './password-definition.js';

const DESCRIPTION = `Serve the repositories below a directory by restic's REST protocol, to varve and to restic. Options are rest-server's where it has them;
docs/serve.md tells more. It goes on until Ctrl-C or SIGTERM; what runs then has 10 seconds to come to its end.`;

const EXAMPLES = `
Examples:
  varve serve password anna --path /srv/backup                    a user, for the first time
  varve serve --path /srv/backup --private-repos                  reached from this machine: a proxy does the rest
  varve serve --path /srv/backup --listen :8000 --tls --tls-cert cert.pem --tls-key key.pem --private-repos
  varve serve --path /srv/backup --listen :8000 --append-only-user web1 --max-size 2T --log -

A client's repository is then, for the user anna:
  restic -r rest:https://anna:PASSWORD@host:8000/anna/laptop init

A size is a number of bytes, with k, M, G or T after it if wanted.

Exit codes: 0 it was told to end; 1 it cannot serve.`;

export function define(command: Command, shell: Shell): void {
  const repeatable = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];
  command
    .description(DESCRIPTION)
    .option('--path <directory>', 'the directory with the repositories')
    .option('--listen <address>', 'HOST:PORT, :PORT for all addresses of this machine, or unix:/PATH', DEFAULT_ADDRESS)
    .option('--tls', 'https; with public_key and private_key in the directory by default')
    .option('--tls-cert <file>', 'PEM file with the certificate, and those above it')
    .option('--tls-key <file>', 'PEM file with its key')
    .option('--htpasswd-file <file>', 'users and their passwords (default: .htpasswd in the directory)')
    .option('--no-auth', 'nobody logs in')
    .option('--open-to-all', 'with --no-auth: listen also where other machines reach it')
    .option('--private-repos', 'users may use the repositories below the directory of their name, and no others')
    .option('--append-only', 'nothing is deleted but locks')
    .option('--append-only-user <name>', 'this user deletes nothing but locks; repeatable', repeatable)
    .option('--max-size <size>', 'of all that is stored')
    .option(
      '--max-size-user <[name=]size>',
      'of what is below the directory of this user, or of each user without a limit of their own; repeatable; needs --private-repos',
      repeatable,
    )
    .option(
      '--no-verify-upload',
      'do not look whether what is stored is what its name says: only for very slow machines',
    )
    .option('--prometheus', 'metrics at /metrics, for the user "metrics"')
    .option('--prometheus-no-auth', 'metrics at /metrics, for all')
    .option('--log <file>', 'a line for each request; - is standard output')
    .option('--log-format <format>', 'plain, or combined as rest-server has it', 'plain')
    .addHelpText('after', EXAMPLES);
  run<ServeFlags>(command, shell, async (context, _, flags) => {
    const { serveCommand } = await import('./command.js');
    return serveCommand(context, flags);
  });
  definePassword(command.command('password').copyInheritedSettings(command), shell);
}
