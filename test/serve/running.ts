// A server in the test's process, and requests to it.
// Servers in processes of their own are in ../servers/varve-serve.ts.

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import type { RequestRecord } from '../../src/serve/request-log.js';
import { type ServeOptions, type Server, serve } from '../../src/serve/server.js';
import { object, type TestObject } from '../storage/conformance.js';
import { htpasswd } from './htpasswd.js';

export interface Running {
  readonly root: string;
  readonly port: number;
  readonly server: Server;
  /** The records of the log. */
  readonly records: RequestRecord[];
  readonly notices: string[];
}

export interface Answer {
  readonly status: number;
  readonly reason: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Asked {
  readonly body?: Buffer;
  readonly headers?: Readonly<Record<string, string>>;
  /** `user:password` */
  readonly as?: string;
}

/** Bytes of a block: a directory counts as one, a file as one for each begun block. */
export const BLOCK = 4096;
/** Bytes of an empty repository: data/ with 256 directories in it, and four others. */
export const EMPTY = 261 * BLOCK;

export const V2 = 'application/vnd.x.restic.rest.v2';

const directories: string[] = [];
const running: Running[] = [];
after(async () => {
  for (const { server } of running) await server.stop(0);
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

export function scratchDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'varve-serve-'));
  directories.push(directory);
  return directory;
}

/** Starts a server in this process. Without users it asks for no login. */
export async function startServer(
  given: Partial<Omit<ServeOptions, 'access'>> & {
    readonly access?: Partial<ServeOptions['access']>;
    readonly users?: Readonly<Record<string, string>>;
  } = {},
): Promise<Running> {
  const root = given.root ?? scratchDirectory();
  const passwordFile = given.users === undefined ? given.passwordFile : join(root, '.htpasswd');
  if (given.users !== undefined && passwordFile !== undefined) writeFileSync(passwordFile, htpasswd(given.users));
  const records: RequestRecord[] = [];
  const notices: string[] = [];
  const server = await serve({
    address: { host: '127.0.0.1', port: 0 },
    quota: { byUser: new Map() },
    verifyUploads: true,
    metricsFor: 'none',
    ...given,
    access: { privateRepositories: false, appendOnly: false, appendOnlyUsers: new Set(), ...given.access },
    root,
    passwordFile,
    onRequest: (each) => records.push(each),
    onNotice: (text) => notices.push(text),
  });
  const port = Number(/:(\d+)\/$/.exec(server.location)?.[1]);
  const result = { root, port, server, records, notices };
  running.push(result);
  return result;
}

export function ask(
  { port }: { readonly port: number },
  method: string,
  path: string,
  asked: Asked = {},
): Promise<Answer> {
  const { body, headers, as } = asked;
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, method, path, headers: { ...headers }, agent: false });
    if (as !== undefined) request.setHeader('Authorization', `Basic ${Buffer.from(as).toString('base64')}`);
    request.on('error', reject);
    request.on('response', (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => {
        const { statusCode = 0, statusMessage = '' } = response;
        resolve({ status: statusCode, reason: statusMessage, headers: response.headers, body: Buffer.concat(parts) });
      });
    });
    if (body !== undefined) request.setHeader('Content-Length', body.length);
    request.end(body);
  });
}

/** Returns the first line of the response to these bytes; '' when the server only closes the connection. */
export function raw({ port }: { readonly port: number }, text: string, end = false): Promise<string> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    let answer = '';
    socket.setEncoding('latin1').on('data', (part) => {
      answer += part;
      if (answer.includes('\r\n')) socket.destroy();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(answer.split('\r\n')[0] ?? ''));
    socket.write(text, 'latin1');
    if (end) socket.end();
  });
}

/** Makes a repository. */
export async function create(server: Running, path = '/', asked: Asked = {}): Promise<void> {
  const { status, reason } = await ask(server, 'POST', `${path}?create=true`, asked);
  if (status !== 200) throw new Error(reason);
}

/** Stores an object. */
export async function post(
  server: Running,
  length: number,
  prefix = '/data/',
  asked: Asked = {},
): Promise<TestObject & { path: string; answer: Answer }> {
  const { name, bytes } = object(length);
  const path = `${prefix}${name}`;
  return { name, bytes, path, answer: await ask(server, 'POST', path, { ...asked, body: bytes }) };
}

/** Lists all files below a directory, with paths relative to it. */
export function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .sort();
}

/** Waits until the condition holds; throws after 20 s. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const end = Date.now() + 20_000; Date.now() < end; ) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`not within 20 s: ${what}`);
}
