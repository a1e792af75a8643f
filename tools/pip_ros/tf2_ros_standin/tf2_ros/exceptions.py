# SPDX-License-Identifier: Apache-2.0
"""Why a transform cannot be given, under the names of tf2."""


class TransformException(Exception):
    """Base of all of them."""


class LookupException(TransformException):
    """A frame that nobody has ever named."""


class ConnectivityException(TransformException):
    """Two frames in two trees."""


class ExtrapolationException(TransformException):
    """A time before the first or after the last known transform."""


class InvalidArgumentException(TransformException):
    """A frame name that is empty or starts with a slash."""
