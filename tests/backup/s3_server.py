# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""moto's S3 by TLS, run in storage.py's environment: ADDRESS PORT CERTIFICATE KEY.

Not moto's own program: at the end of an answer that closes the connection its server does not take leave as TLS does, and pgBackRest
takes such an end for a cut.
"""

from __future__ import annotations

import contextlib
import sys

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server


class _Handler(WSGIRequestHandler):
    def finish(self) -> None:
        super().finish()
        self.connection.settimeout(2)
        with contextlib.suppress(OSError, ValueError):
            self.connection.unwrap()


if __name__ == "__main__":
    address, port, certificate, key = sys.argv[1:]
    application = DomainDispatcherApplication(create_backend_app)
    make_server(
        address,
        int(port),
        application,
        threaded=True,
        request_handler=_Handler,
        ssl_context=(certificate, key),
    ).serve_forever()
