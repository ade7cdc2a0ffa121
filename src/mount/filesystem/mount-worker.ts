import { serveTasks } from '../../workers/serve.js';
import { Opener, type Opening } from './opening.js';

export interface WorkerInit {
  readonly idKey: Uint8Array;
  readonly memory: SharedArrayBuffer;
}

serveTasks<WorkerInit, Opening, undefined>(({ idKey, memory }, _, atEnd) => {
  const opener = new Opener(idKey, memory);
  atEnd(() => opener.close());
  return (opening) => {
    opener.open(opening);
    return { reply: undefined };
  };
});
