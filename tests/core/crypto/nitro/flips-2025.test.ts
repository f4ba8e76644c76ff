import { describeFlips } from './flips.ts';

describeFlips('2025-10-16-debug.cose');
