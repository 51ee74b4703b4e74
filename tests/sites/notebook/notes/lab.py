from django.contrib.auth.models import AbstractBaseUser, User


def reader() -> AbstractBaseUser:
    """Who asks in the load lab."""
    return User.objects.get_or_create(username="reader")[0]
