import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, linkSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Makes what somebody's home directory holds: settings, keys, projects, pictures, mail, a virtual machine, odd names. */
export function makeHome(root: string): void {
  const file = (path: string, content: string | Buffer, mode = 0o644): string => {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), content);
    chmodSync(join(root, path), mode);
    return join(root, path);
  };
  const run = (program: string, ...args: readonly string[]): void =>
    void execFileSync(program, args, { stdio: 'ignore' });
  for (const name of ['id_ed25519', 'authorized_keys', 'config']) file(`.ssh/${name}`, randomBytes(400), 0o600);
  chmodSync(join(root, '.ssh'), 0o700);
  for (let i = 0; i < 300; i++) file(`.config/program ${i % 30}/settings ${i}.json`, JSON.stringify({ i }).repeat(i));
  for (let i = 0; i < 120; i++) {
    const picture = file(`Pictures/2024/${i % 12}/image-${i}.jpg`, randomBytes(20_000 + i * 4000));
    utimesSync(picture, 1_700_000_000 + i, 1_700_000_000.123 + i * 1000);
    if (i % 10 === 0) run('setfattr', '-n', 'user.xdg.origin.url', '-v', `a place ${i}`, picture);
  }
  for (let i = 0; i < 1500; i++) {
    file(`project/node_modules/module-${i % 100}/lib/${i}.js`, `module.exports = ${i};\n`.repeat(i % 50));
    file(`project/objects/${(i % 256).toString(16)}/${i}`, randomBytes(300), 0o444);
  }
  mkdirSync(join(root, 'project/node_modules/.bin'));
  for (let i = 0; i < 100; i++)
    symlinkSync(`../module-${i}/lib/${i}.js`, join(root, `project/node_modules/.bin/tool-${i}`));
  for (let i = 0; i < 500; i++)
    file(`Mail/cur/17000${i}.M${i}P1.host,S=${i}:2,S`, `Subject: ${i}\n\n${'text '.repeat(i)}`, 0o600);
  for (const name of ['\xff\xfe', 'new\nline', 'caf\xe9', '-rf', 'n'.repeat(255)])
    writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from(name, 'latin1')]), name);
  linkSync(file('archive/snapshot.0/file', randomBytes(100_000)), join(root, 'archive/snapshot.1'));
  file('Documents/shared.txt', 'for a colleague too');
  run('setfacl', '-m', 'u:4711:rw', join(root, 'Documents/shared.txt'));
  run('setfacl', '-d', '-m', 'g:4712:rx', join(root, 'Documents'));
  run('truncate', '-s', '2G', join(root, 'machine.img'));
  run('dd', 'if=/dev/urandom', `of=${join(root, 'machine.img')}`, 'bs=1M', 'count=20', 'seek=500', 'conv=notrunc');
  run('mkfifo', join(root, '.fifo'));
  file('video.mkv', randomBytes(150 * 2 ** 20));
  chmodSync(join(root, 'archive'), 0o550);
}
