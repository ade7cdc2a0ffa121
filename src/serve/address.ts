// The addresses that `--listen` accepts.
// Listening itself is in server.ts.

import { isIPv4 } from 'node:net';
import { VarveError } from '../errors/errors.js';

/** Where a server listens: a TCP port or a Unix socket. */
export type Address = { readonly host: string; readonly port: number } | { readonly socket: string };

/** Only programs on this machine reach it. The port is rest-server's. */
export const DEFAULT_ADDRESS = '127.0.0.1:8000';

/** @throws VarveError `usage` */
export function parseAddress(text: string): Address {
  if (/^unix:./s.test(text)) return { socket: text.slice('unix:'.length) };
  const [, inBrackets, plain, digits] = /^(?:\[([0-9a-fA-F:.%a-z]+)\]|([^:/@\s]*)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits !== undefined && port < 65536) return { host: inBrackets ?? plain ?? '', port };
  throw new VarveError(
    'usage',
    `--listen: "${text}" is not an address; examples: 127.0.0.1:8000, [::1]:8000, :8000 (all addresses of this machine), unix:/run/varve.sock`,
  );
}

/** Whether other machines may reach the address. Every host name but localhost counts as reachable. */
export function isOpen(address: Address): boolean {
  if ('socket' in address) return false;
  const { host } = address;
  return !(host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.')));
}
