import { describeFlips } from './flips.ts';

describeFlips('2024-12-13-release.cose');
