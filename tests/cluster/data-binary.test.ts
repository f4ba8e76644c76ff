/** The KV store on three enclave binaries that are killed, cut off and started again. */
import { livesThrough } from './data-life.ts';

livesThrough('binary', 23);
