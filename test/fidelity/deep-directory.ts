import { execFileSync } from 'node:child_process';

/** Steps down directory by directory, so that no path is ever too long. */
const SCRIPT = `
import os, sys
root, levels, text, name = sys.argv[1:]
os.chdir(root)
steps = []
for level in range(int(levels)):
    step = str(level) + name + 'd' * (250 - len(str(level) + name))
    os.makedirs(step, exist_ok=True)
    os.chdir(step)
    os.utime('..', ns=(0, 10**18 + level))
with open('bottom', 'w') as file:
    file.write(text)
os.symlink('bottom', 'link')
os.utime('bottom', ns=(0, 1))
os.utime('link', ns=(0, 2), follow_symlinks=False)
os.utime('.', ns=(0, 3))
`;

/** Makes a chain of directories with names of 250 bytes, and a file and a link at its end. Times are the same for the same arguments. */
export function makeDeepDirectory(root: string, levels: number, text: string, name = 'x'): void {
  execFileSync('python3', ['-c', SCRIPT, root, String(levels), text, name]);
}
