import { describeFlips } from './flips.ts';

describeFlips('2023-09-28-release.cose');
