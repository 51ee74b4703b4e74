from django.db import models
from django_tenants.models import DomainMixin, TenantMixin


class House(TenantMixin):
    name = models.TextField()


class Domain(DomainMixin):
    pass
