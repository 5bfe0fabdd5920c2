// SPDX-License-Identifier: Apache-2.0
import LimaNetdSDK
package final class Slirp: NetworkPlugin {}
