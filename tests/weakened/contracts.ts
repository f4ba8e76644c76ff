/** The contracts, weakened in all of these places at once: none of them hides another. */
import { patch, weakness } from './weakness.ts';
import type { Weakness } from './weakness.ts';

const REGISTRY = 'contracts/src/KMSRegistry.sol';
const TEST = 'contracts/test/KMSRegistry.t.sol';

export const CONTRACT_WEAKNESSES: readonly Weakness[] = [
  weakness('S-L6', 'leaves the implementation to whoever initialises it', TEST, patch(REGISTRY, '        _disableInitializers();\n', '')),
  weakness(
    'S-M6',
    'takes any implementation that was announced, whatever its code is now',
    'contracts/test/KMSRegistryChanges.t.sol',
    patch(
      REGISTRY,
      'change.state == ChangeState.SCHEDULED && change.codeHash == implementation.codehash,',
      'change.state == ChangeState.SCHEDULED,',
    ),
  ),
  weakness(
    'X-6',
    'lets the owner give the cluster another app',
    TEST,
    patch(REGISTRY, '        require($.kmsAppId == 0, AlreadyConfigured());\n', ''),
  ),
  weakness(
    'X-7',
    'takes the zero wallet for an operator',
    TEST,
    patch(REGISTRY, '        require(wallet != address(0), ZeroWallet());\n', ''),
  ),
  weakness(
    'X-8',
    'moves a member of its state',
    'contracts/test/KMSRegistryLayout.t.sol',
    patch(
      'contracts/src/KMSRegistryStorage.sol',
      '    uint256 activeEpochPlusOne;\n    uint256 openEpochPlusOne;\n',
      '    uint256 openEpochPlusOne;\n    uint256 activeEpochPlusOne;\n',
    ),
  ),
  weakness(
    'U-11',
    'opens genesis with one live operator',
    'contracts/test/KMSRegistryEpochs.t.sol',
    patch(
      REGISTRY,
      'require(live >= $.minOperators, TooFewOperators(live, $.minOperators));',
      'require(live > 0, TooFewOperators(live, 1));',
    ),
  ),
  weakness(
    'U-13',
    'writes more than it has gas for when an operator comes',
    TEST,
    patch(
      REGISTRY,
      '        $.operatorPosition[teeWallet] = uint256(count) + 1;\n',
      `        $.operatorPosition[teeWallet] = uint256(count) + 1;
        $.measurements[bytes32(uint256(uint160(teeWallet)))] = true;
        $.measurements[keccak256(abi.encode(teeWallet))] = true;\n`,
    ),
  ),
];
