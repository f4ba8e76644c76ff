/** The KV store on three workers that are killed, cut off and started again. */
import { livesThrough } from './data-life.ts';

livesThrough('worker', 11);
