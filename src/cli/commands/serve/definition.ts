import type { Command } from 'commander';
import { DEFAULT_ADDRESS } from '../../../serve/address.js';
import { run, type Session } from '../../program/shell.js';
import type { ServeFlags } from './options.js';
import { definePassword } from './password-definition.js';

const DESCRIPTION = `Serve the repositories below a directory over restic's REST protocol, to varve and restic. The options are rest-server's where it has them. See
docs/serve.md. The server runs until Ctrl-C or SIGTERM; requests then have 10 seconds to finish.`;

const EXAMPLES = `
A client opens its repository like this, as the user anna:
  restic -r rest:https://anna:PASSWORD@host:8000/anna/laptop init

A size is a number of bytes, or a number with k, M, G or T.

Examples:
  varve serve password anna --path /srv/backup                    add the first user
  varve serve --path /srv/backup --private-repos                  only this machine can connect, such as a proxy
  varve serve --path /srv/backup --listen :8000 --tls --tls-cert cert.pem --tls-key key.pem --private-repos
  varve serve --path /srv/backup --listen :8000 --append-only-user web1 --max-size 2T --log -

Exit codes: 0 ended by a signal; 1 cannot serve.`;

export function define(command: Command, session: Session): void {
  const repeatable = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];
  command
    .description(DESCRIPTION)
    .option('--path <directory>', 'directory that holds the repositories')
    .option('--listen <address>', 'address: HOST:PORT, :PORT for all addresses, or unix:/PATH', DEFAULT_ADDRESS)
    .option('--tls', 'use https, by default with the files public_key and private_key in the directory')
    .option('--tls-cert <file>', 'PEM file with the certificate chain')
    .option('--tls-key <file>', 'PEM file with the private key')
    .option('--htpasswd-file <file>', 'file with users and passwords (default: .htpasswd in the directory)')
    .option('--no-auth', 'require no login')
    .option('--open-to-all', 'with --no-auth: allow an address that other machines can reach')
    .option('--private-repos', 'let each user use only repositories below the directory of that name')
    .option('--append-only', 'refuse to delete anything but locks')
    .option('--append-only-user <name>', 'refuse to let this user delete anything but locks; repeatable', repeatable)
    .option('--max-size <size>', 'limit for all stored data')
    .option(
      '--max-size-user <[name=]size>',
      'limit for the directory of this user, or of each user without an own limit; repeatable; needs --private-repos',
      repeatable,
    )
    .option('--no-verify-upload', 'do not verify that an upload matches its name; only for very slow machines')
    .option('--prometheus', 'serve metrics at /metrics to the user "metrics"')
    .option('--prometheus-no-auth', 'serve metrics at /metrics to everybody')
    .option('--log <file>', 'log each request to this file; - is standard output')
    .option('--log-format <format>', 'plain, or combined as in rest-server', 'plain')
    .addHelpText('after', EXAMPLES);
  run<ServeFlags>(command, session, async (context, _, flags) => {
    const { serveCommand } = await import('./command.js');
    return serveCommand(context, flags);
  });
  definePassword(command.command('password').copyInheritedSettings(command), session);
}
