# SPDX-License-Identifier: Apache-2.0
#
# A Homebrew formula: brew install --HEAD --formula Packaging/lima-netd.rb, in a checkout. Not tried yet: nothing of
# lima-netd has run on macOS.
class LimaNetd < Formula
  desc "Networks for virtual machines, with plugins behind a stable C ABI"
  license "Apache-2.0"
  head do
    url File.expand_path("..", __dir__), using: :git
  end

  depends_on "pkgconf" => :build
  depends_on "libtool"
  depends_on "libyaml"
  uses_from_macos "swift" => :build, since: :sonoma

  def install
    system "Scripts/build-release", "--disable-sandbox"
    system "Scripts/install", prefix
  end

  service do
    run [opt_bin/"lima-netd", "serve"]
    keep_alive successful_exit: false
  end

  test do
    assert_match "plugin ABI 1", shell_output("#{bin}/lima-netd --version")
  end
end
